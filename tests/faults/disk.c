/* Preloaded into the engine under test: stands between it and the disk.
 *
 * What it does is said by environment variables; without them it does nothing:
 *
 *   FAULTS_DEAF       path fragments joined by colons: a sync of a file whose path contains one is
 *                     reported as done and not made;
 *   FAULTS_DEAF_WHEN  a file: deaf only while it exists;
 *   FAULTS_KEEP       a directory that always holds exactly what is durable (see below);
 *   FAULTS_ROOT       the directory whose calls are counted;
 *   FAULTS_DIE_AT     the process kills itself in place of the call of this number, from 1.
 *
 * Counted are all calls that change what lies under FAULTS_ROOT or make it durable, over all
 * threads.
 *
 * What is durable. A synced file leaves its bytes in FAULTS_KEEP/files/KEY, a synced directory the
 * list of its names in FAULTS_KEEP/names/KEY, a line each: `f` or `d`, the key, the name. A key is
 * inode and birth time, so a file keeps its own through renames and an inode used again is another
 * file. Nothing adds to it but a sync, and a write to a file that is marked as synchronous: a model
 * stricter than any file system. A sync that a kill interrupts may leave part of its bytes, as a
 * disk may. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 4096
#define KEY_MAX 64

/* The next function of that name, found once. */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL)                                                                              \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* What was written to a file and not synced since: bytes from..to. */
struct file {
    ino_t inode;
    struct statx_timestamp born;
    off_t from, to;
};

static struct file files[FILES_MAX];
static int files_known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Held while something durable is kept: no sync returns before what another took on is kept. */
static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER;
static atomic_long calls;

static const char *deaf, *deaf_when, *keep, *root;
static long die_at;

static void keep_synced(int fd);

/* This tool cannot do what was asked: the test must not take what follows for an answer. */
static void give_up(const char *what)
{
    dprintf(2, "faults/disk.c: %s: %s\n", what, strerror(errno));
    kill(getpid(), SIGABRT);
    _exit(99);
}

__attribute__((constructor)) static void read_environment(void)
{
    deaf = getenv("FAULTS_DEAF");
    deaf_when = getenv("FAULTS_DEAF_WHEN");
    keep = getenv("FAULTS_KEEP");
    root = getenv("FAULTS_ROOT");
    const char *at = getenv("FAULTS_DIE_AT");
    die_at = at == NULL ? 0 : atol(at);
}

static int is_under_root(const char *path)
{
    size_t length = root == NULL ? 0 : strlen(root);
    return length > 0 && strncmp(path, root, length) == 0 &&
           (path[length] == '/' || path[length] == '\0');
}

/* The path of an open file, empty when there is none. */
static void path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = '\0';
}

static void count_call(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 == die_at) {
        kill(getpid(), SIGKILL);
        pause();
    }
}

static void count_path(const char *path)
{
    if (die_at > 0 && is_under_root(path))
        count_call();
}

static void count_fd(int fd)
{
    char path[PATH_MAX];
    if (die_at == 0)
        return;
    path_of(fd, path);
    count_path(path);
}

static int is_deaf(int fd)
{
    char path[PATH_MAX], list[PATH_MAX], *rest = list, *fragment;
    if (deaf == NULL || (deaf_when != NULL && access(deaf_when, F_OK) != 0))
        return 0;
    path_of(fd, path);
    snprintf(list, sizeof list, "%s", deaf);
    while ((fragment = strsep(&rest, ":")) != NULL)
        if (*fragment != '\0' && strstr(path, fragment) != NULL)
            return 1;
    return 0;
}

static int makes_a_file(int flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* What identifies an open file or a name in a directory. */
static int identify(int at, const char *name, struct statx *seen)
{
    int flags = *name == '\0' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
    if (statx(at, name, flags, STATX_BASIC_STATS | STATX_BTIME, seen) != 0)
        return -1;
    if (!(seen->stx_mask & STATX_BTIME)) {
        errno = ENOTSUP;
        give_up("the file system does not say when a file was born");
    }
    return 0;
}

static void key_of(const struct statx *seen, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "%llu-%lld.%09u", (unsigned long long)seen->stx_ino,
             (long long)seen->stx_btime.tv_sec, seen->stx_btime.tv_nsec);
}

/* The entry of a file, made when there is none. Under the lock. What a file held when this process
 * first saw it may not be durable, so the first sync keeps all of it. */
static struct file *entry_of(const struct statx *seen)
{
    for (int at = 0; at < files_known; at++) {
        struct file *file = &files[at];
        if (file->inode == seen->stx_ino && file->born.tv_sec == seen->stx_btime.tv_sec &&
            file->born.tv_nsec == seen->stx_btime.tv_nsec)
            return file;
    }
    if (files_known == FILES_MAX) {
        errno = ENFILE;
        give_up("more files than there is room for");
    }
    files[files_known] =
        (struct file){.inode = seen->stx_ino, .born = seen->stx_btime, .to = LLONG_MAX};
    return &files[files_known++];
}

/* Whether writes to the file are durable when they return, as `chattr +S` asks for. */
static int is_written_through(int fd)
{
    int flags = 0;
    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_SYNC_FL) && !is_deaf(fd);
}

/* Bytes were written. Called afterwards: a sync that runs meanwhile owes them nothing. */
static void note_write(int fd, off_t from, ssize_t length)
{
    struct statx seen;
    int error = errno;
    if (keep != NULL && length > 0 && identify(fd, "", &seen) == 0 && S_ISREG(seen.stx_mode)) {
        pthread_mutex_lock(&lock);
        struct file *file = entry_of(&seen);
        off_t to = from + length;
        if (file->from == file->to) {
            file->from = from;
            file->to = to;
        } else {
            file->from = from < file->from ? from : file->from;
            file->to = to > file->to ? to : file->to;
        }
        pthread_mutex_unlock(&lock);
        if (is_written_through(fd))
            keep_synced(fd);
    }
    errno = error;
}

static void copy_bytes(int fd, int to, off_t from, off_t end)
{
    static _Thread_local char buffer[1 << 18];
    while (from < end) {
        size_t left = (size_t)(end - from);
        ssize_t length = pread(fd, buffer, left < sizeof buffer ? left : sizeof buffer, from);
        if (length < 0)
            give_up("read what was synced");
        if (length == 0)
            return;
        REAL(pwrite);
        if (real(to, buffer, (size_t)length, from) != length)
            give_up("keep what was synced");
        from += length;
    }
}

static void keep_file(int fd, const struct statx *seen)
{
    char key[KEY_MAX], path[PATH_MAX];
    key_of(seen, key);
    snprintf(path, sizeof path, "%s/files/%s", keep, key);
    /* The engine may hold this file for writing alone. */
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int from = open(link, O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (from < 0 || to < 0)
        give_up(path);
    pthread_mutex_lock(&lock);
    struct file *file = entry_of(seen);
    off_t begin = file->from, end = file->to;
    file->from = file->to = 0;
    pthread_mutex_unlock(&lock);
    off_t size = (off_t)seen->stx_size;
    copy_bytes(from, to, begin, end < size ? end : size);
    REAL(ftruncate);
    if (real(to, size) != 0)
        give_up(path);
    close(from);
    close(to);
}

static void keep_names(int fd, const struct statx *seen)
{
    char key[KEY_MAX], path[PATH_MAX], draft[PATH_MAX];
    key_of(seen, key);
    snprintf(path, sizeof path, "%s/names/%s", keep, key);
    snprintf(draft, sizeof draft, "%s/draft-%d-%ld", keep, (int)getpid(), (long)gettid());
    FILE *list = fopen(draft, "w");
    int listed = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = listed < 0 ? NULL : fdopendir(listed);
    if (list == NULL || directory == NULL)
        give_up(path);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        struct statx named;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            identify(fd, entry->d_name, &named) != 0)
            continue; /* Gone since it was listed. */
        key_of(&named, key);
        fprintf(list, "%c %s %s\n", S_ISDIR(named.stx_mode) ? 'd' : 'f', key, entry->d_name);
    }
    closedir(directory);
    REAL(rename);
    if (fclose(list) != 0 || real(draft, path) != 0)
        give_up(path);
}

/* The sync has succeeded: what it covers is durable. */
static void keep_synced(int fd)
{
    struct statx seen = {0};
    int error = errno;
    if (keep != NULL) {
        pthread_mutex_lock(&keeping);
        if (identify(fd, "", &seen) == 0 && S_ISREG(seen.stx_mode))
            keep_file(fd, &seen);
        else if (S_ISDIR(seen.stx_mode))
            keep_names(fd, &seen);
        pthread_mutex_unlock(&keeping);
    }
    errno = error;
}

int fsync(int fd)
{
    REAL(fsync);
    count_fd(fd);
    if (is_deaf(fd))
        return 0;
    int done = real(fd);
    if (done == 0)
        keep_synced(fd);
    return done;
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    count_fd(fd);
    if (is_deaf(fd))
        return 0;
    int done = real(fd);
    if (done == 0)
        keep_synced(fd);
    return done;
}

/* Promises nothing, so nothing becomes durable by it. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags)
{
    REAL(sync_file_range);
    count_fd(fd);
    return is_deaf(fd) ? 0 : real(fd, offset, length, flags);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL(write);
    count_fd(fd);
    ssize_t done = real(fd, bytes, length);
    if (keep != NULL && done > 0) {
        off_t end = lseek(fd, 0, SEEK_CUR);
        if (end >= done)
            note_write(fd, end - done, done);
    }
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    count_fd(fd);
    ssize_t done = real(fd, parts, count);
    if (keep != NULL && done > 0) {
        off_t end = lseek(fd, 0, SEEK_CUR);
        if (end >= done)
            note_write(fd, end - done, done);
    }
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    REAL(pwrite);
    count_fd(fd);
    ssize_t done = real(fd, bytes, length, offset);
    note_write(fd, offset, done);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return pwrite(fd, bytes, length, offset);
}

/* The new length is durable with the next sync, which sets it. */
int ftruncate(int fd, off_t length)
{
    REAL(ftruncate);
    count_fd(fd);
    return real(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    count_path(to);
    return real(from, to);
}

int unlink(const char *path)
{
    REAL(unlink);
    count_path(path);
    return real(path);
}

int unlinkat(int at, const char *name, int flags)
{
    REAL(unlinkat);
    if (*name == '/')
        count_path(name);
    else
        count_fd(at);
    return real(at, name, flags);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    count_path(path);
    return real(path, mode);
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    mode_t mode = 0;
    if (makes_a_file(flags)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
        count_path(path);
    }
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (makes_a_file(flags)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return open(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    REAL(openat);
    mode_t mode = 0;
    if (makes_a_file(flags)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
        count_path(path);
    }
    return real(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (makes_a_file(flags)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return openat(at, path, flags, mode);
}
