/* Shuts a mounted file system down without flushing it, as a power cut would: `cut MOUNTPOINT`.
 *
 * Nothing that is in memory alone reaches the device any more, the file system's own journal
 * included. ext4 and XFS know the request; it takes the right to administer the system. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define SHUTDOWN _IOR('X', 125, uint32_t)
#define WITHOUT_FLUSHING 2

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: cut MOUNTPOINT\n");
        return 2;
    }
    int mount = open(arguments[1], O_RDONLY | O_DIRECTORY);
    if (mount < 0) {
        perror(arguments[1]);
        return 1;
    }
    uint32_t how = WITHOUT_FLUSHING;
    if (ioctl(mount, SHUTDOWN, &how) != 0) {
        perror("shut the file system down");
        return 1;
    }
    return 0;
}
