//! A simulated disk: what was written, what is durable, and every way the two may differ.
//!
//! A [`SimDisk`] holds one directory in memory. Bytes are kept twice, as a reader sees them and as
//! the medium has them, and what is not synced yet is kept sector by sector, every version of it.
//! [`SimDisk::crash`] is a power cut: any of those versions may have reached the medium, in any
//! combination, torn inside a sector at times, and so may any of the names. [`SimDisk::kill`] ends
//! the process and keeps what a reader sees, which is not durable for that. Faults strike at a
//! chosen operation, so a test can try them all. Everything random comes from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_commit_log::{Disk, DiskFile};

/// Bytes that reach the medium together, except when they are torn.
const SECTOR: usize = 512;

/// A small generator of numbers that look random (SplitMix64): one seed, one sequence.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Starts the sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> SplitMix64 {
        SplitMix64(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number, brought below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// Whether a thing happens that happens `times` in `of`.
    pub fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }
}

/// What strikes at a chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails, later ones work. A write may have written a part; a sync leaves some
    /// sectors durable, and the others are forgotten: no later sync brings them back.
    Once(io::ErrorKind),
    /// That operation and all after it fail.
    ForEver(io::ErrorKind),
    /// The machine stops during the operation: it takes effect as far as an unsynced operation
    /// does, and nothing happens after it. Go on with [`SimDisk::crash`] or [`SimDisk::kill`].
    Stop,
}

/// A simulated directory; clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
}

/// An open file of a [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    world: Arc<Mutex<World>>,
    inode: u64,
}

#[derive(Clone, Debug)]
struct World {
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// Names as a reader sees them.
    names: BTreeMap<String, u64>,
    /// Names as the medium has them.
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since, in order.
    unsynced_names: Vec<NameChange>,
    /// Decides what a failing operation does.
    random: SplitMix64,
    /// Operations so far, failed ones included.
    operations: u64,
    /// Operations so far that change anything.
    changes: u64,
    fault: Option<(u64, Fault)>,
    /// Bytes left for files that are made; `None`: any number.
    free_bytes: Option<u64>,
    read_only: bool,
    /// Says that bytes are synced and does nothing.
    ignore_byte_syncs: bool,
    /// Says that names are synced and does nothing.
    ignore_name_syncs: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// The bytes as a reader sees them. Shared, so that a copy of a disk costs little.
    visible: Arc<Vec<u8>>,
    /// The bytes as the medium has them; as long as `visible`.
    durable: Arc<Vec<u8>>,
    /// Every version of a sector written since it was last synced, oldest first.
    unsynced: BTreeMap<usize, Vec<Vec<u8>>>,
    length_synced: bool,
}

#[derive(Clone, Debug)]
struct NameChange {
    inode: u64,
    /// The name it had, if it had one.
    from: Option<String>,
    /// The name it has from then on, if any.
    to: Option<String>,
}

/// What an operation is to do.
enum Verdict {
    /// What it should.
    Work,
    /// Fail, with an effect that nobody can rely on.
    Fail(io::Error),
    /// Do what an unsynced operation does, then fail.
    Stop(io::Error),
    /// Fail without any effect.
    Refuse(io::Error),
}

impl SimDisk {
    /// An empty, durable directory.
    #[must_use]
    pub fn new(seed: u64) -> SimDisk {
        SimDisk::from(World {
            inodes: BTreeMap::new(),
            next_inode: 1,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            random: SplitMix64::new(seed),
            operations: 0,
            changes: 0,
            fault: None,
            free_bytes: None,
            read_only: false,
            ignore_byte_syncs: false,
            ignore_name_syncs: false,
        })
    }

    /// The disk after a power cut at this moment. One seed, one outcome.
    #[must_use]
    pub fn crash(&self, seed: u64) -> SimDisk {
        let mut world = self.lock().clone();
        world.restart();
        world.crash(&mut SplitMix64::new(seed));
        SimDisk::from(world)
    }

    /// The disk after the process has died at this moment and the machine has not.
    #[must_use]
    pub fn kill(&self) -> SimDisk {
        let mut world = self.lock().clone();
        world.restart();
        SimDisk::from(world)
    }

    /// How many operations there were, failed ones included, since the start or the last
    /// [`SimDisk::crash`] or [`SimDisk::kill`].
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many of the operations change bytes or names, or sync them.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Lets `fault` strike at the operation with this number; the first is 1.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.lock().fault = Some((operation, fault));
    }

    /// Lets nothing strike any more.
    pub fn heal(&self) {
        self.lock().fault = None;
    }

    /// Leaves this many bytes for files that are made.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.lock().free_bytes = Some(bytes);
    }

    /// Makes the file system read-only, or writable again.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock().read_only = read_only;
    }

    /// Makes syncs of bytes lie: a test that still passes on such a disk proves nothing.
    pub fn ignore_byte_syncs(&self) {
        self.lock().ignore_byte_syncs = true;
    }

    /// Makes syncs of names lie.
    pub fn ignore_name_syncs(&self) {
        self.lock().ignore_name_syncs = true;
    }

    /// The names of the files, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    /// The bytes of a file as a reader sees them; `None` if there is no such file.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let world = self.lock();
        let inode = world.names.get(name)?;
        Some(world.inodes.get(inode)?.visible.to_vec())
    }

    /// Changes the bytes of a file, or its length, behind everybody's back and durably.
    pub fn damage(&self, name: &str, harm: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.lock();
        let Some(number) = world.names.get(name).copied() else {
            return;
        };
        if let Some(inode) = world.inodes.get_mut(&number) {
            harm(Arc::make_mut(&mut inode.visible));
            inode.durable = Arc::clone(&inode.visible);
            inode.unsynced.clear();
        }
    }

    /// Flips one bit of a file.
    pub fn flip(&self, name: &str, offset: usize, bit: u8) {
        self.damage(name, |bytes| bytes[offset] ^= 1 << bit);
    }

    /// Removes a file behind everybody's back and durably.
    pub fn lose(&self, name: &str) {
        let mut world = self.lock();
        world.names.remove(name);
        world.durable_names.remove(name);
        world
            .unsynced_names
            .retain(|change| change.from.as_deref() != Some(name));
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<World> for SimDisk {
    fn from(world: World) -> SimDisk {
        SimDisk {
            world: Arc::new(Mutex::new(world)),
        }
    }
}

/// How much of what is unsynced a power cut leaves: a coin alone would hardly ever leave all or
/// nothing of a long write.
fn odds(random: &mut SplitMix64) -> u64 {
    [0, 1, 4, 7, 8][random.below(5) as usize]
}

impl World {
    fn restart(&mut self) {
        self.fault = None;
        self.operations = 0;
        self.changes = 0;
    }

    fn crash(&mut self, random: &mut SplitMix64) {
        let kept = odds(random);
        for inode in self.inodes.values_mut() {
            inode.crash(kept, random);
        }
        let kept = odds(random);
        self.sync_some_names(kept, random);
        self.unsynced_names.clear();
        self.names = self.durable_names.clone();
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    /// Makes some changes of names durable, `kept` in 8, and never one without those it rests on.
    fn sync_some_names(&mut self, kept: u64, random: &mut SplitMix64) {
        let mut lost_inodes = BTreeSet::new();
        let mut lost_names = BTreeSet::new();
        for change in std::mem::take(&mut self.unsynced_names) {
            let touched: Vec<String> = change.from.iter().chain(&change.to).cloned().collect();
            let rests_on_lost = lost_inodes.contains(&change.inode)
                || touched.iter().any(|name| lost_names.contains(name));
            if !rests_on_lost && random.chance(kept, 8) {
                change.apply(&mut self.durable_names);
            } else {
                lost_inodes.insert(change.inode);
                lost_names.extend(touched);
                self.unsynced_names.push(change);
            }
        }
    }

    /// Counts an operation and decides what becomes of it.
    fn begin(&mut self, changes: bool) -> Verdict {
        self.operations += 1;
        self.changes += u64::from(changes);
        if changes && self.read_only {
            return Verdict::Refuse(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let Some((at, fault)) = self.fault else {
            return Verdict::Work;
        };
        match fault {
            Fault::Once(kind) if self.operations == at => Verdict::Fail(kind.into()),
            Fault::ForEver(kind) if self.operations >= at => Verdict::Fail(kind.into()),
            Fault::Stop if self.operations == at => Verdict::Stop(io::Error::other("stopped")),
            Fault::Stop if self.operations > at => Verdict::Refuse(io::Error::other("stopped")),
            Fault::Once(_) | Fault::ForEver(_) | Fault::Stop => Verdict::Work,
        }
    }

    /// Begins an operation that only reads.
    fn read(&mut self) -> io::Result<()> {
        match self.begin(false) {
            Verdict::Work => Ok(()),
            Verdict::Fail(error) | Verdict::Stop(error) | Verdict::Refuse(error) => Err(error),
        }
    }

    fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes
            .get_mut(&inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode_of(&self, name: &str) -> io::Result<u64> {
        let inode = self.names.get(name).copied();
        inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Carries out a change of names as the verdict says.
    fn change_names(&mut self, change: NameChange) -> io::Result<()> {
        let verdict = self.begin(true);
        let outcome = match verdict {
            Verdict::Work => Ok(()),
            Verdict::Stop(error) => Err(error),
            Verdict::Fail(error) if self.random.chance(1, 2) => Err(error),
            Verdict::Fail(error) | Verdict::Refuse(error) => return Err(error),
        };
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
        outcome
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.inode);
        }
    }
}

impl Inode {
    fn write(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let end = offset + bytes.len();
        if end > self.visible.len() {
            return Err(io::Error::other("a write beyond the preallocated end"));
        }
        Arc::make_mut(&mut self.visible)[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let from = sector * SECTOR;
            let version = self.visible[from..from + SECTOR].to_vec();
            self.unsynced.entry(sector).or_default().push(version);
        }
        Ok(())
    }

    fn sync(&mut self) {
        let durable = Arc::make_mut(&mut self.durable);
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            if let Some(last) = versions.last() {
                let from = sector * SECTOR;
                durable[from..from + SECTOR].copy_from_slice(last);
            }
        }
        self.length_synced = true;
    }

    /// A sync that fails: any sector may be durable, and none is tried again.
    fn fail_sync(&mut self, random: &mut SplitMix64) {
        let kept = odds(random);
        self.settle(kept, random);
        self.length_synced |= random.chance(kept, 8);
    }

    fn crash(&mut self, kept: u64, random: &mut SplitMix64) {
        self.settle(kept, random);
        if !self.length_synced && !random.chance(kept, 8) {
            let sectors = random.below((self.durable.len() / SECTOR) as u64 + 1);
            Arc::make_mut(&mut self.durable).truncate(sectors as usize * SECTOR);
        }
        self.length_synced = true;
        self.visible = Arc::clone(&self.durable);
    }

    /// Decides for every unsynced sector what the medium has: `kept` in 8 have some version of it.
    fn settle(&mut self, kept: u64, random: &mut SplitMix64) {
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            if !random.chance(kept, 8) {
                continue;
            }
            let version = &versions[random.below(versions.len() as u64) as usize];
            let torn = random.chance(1, 8);
            let whole = if torn {
                random.below(SECTOR as u64) as usize
            } else {
                SECTOR
            };
            let from = sector * SECTOR;
            Arc::make_mut(&mut self.durable)[from..from + whole].copy_from_slice(&version[..whole]);
        }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut world = self.lock();
        world.read()?;
        Ok(world.names.keys().cloned().collect())
    }

    fn create(&mut self, name: &str, len: u64) -> io::Result<SimFile> {
        let mut world = self.lock();
        if world.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = world.next_inode;
        world.next_inode += 1;
        let room = world.free_bytes.unwrap_or(len).min(len);
        let zeros = Arc::new(vec![0; room as usize]);
        world.inodes.insert(
            inode,
            Inode {
                visible: Arc::clone(&zeros),
                durable: zeros,
                ..Inode::default()
            },
        );
        world.change_names(NameChange {
            inode,
            from: None,
            to: Some(name.to_owned()),
        })?;
        world.free_bytes = world.free_bytes.map(|free| free - room);
        if room < len {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(SimFile {
            world: Arc::clone(&self.world),
            inode,
        })
    }

    fn open(&mut self, name: &str) -> io::Result<SimFile> {
        let mut world = self.lock();
        world.read()?;
        Ok(SimFile {
            inode: world.inode_of(name)?,
            world: Arc::clone(&self.world),
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.lock();
        if world.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = world.inode_of(from)?;
        world.change_names(NameChange {
            inode,
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut world = self.lock();
        let inode = world.inode_of(name)?;
        world.change_names(NameChange {
            inode,
            from: Some(name.to_owned()),
            to: None,
        })?;
        let given_back = world.inode(inode)?.visible.len() as u64;
        world.free_bytes = world.free_bytes.map(|free| free + given_back);
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut world = self.lock();
        let verdict = world.begin(true);
        let ignored = world.ignore_name_syncs;
        match verdict {
            Verdict::Work if ignored => Ok(()),
            Verdict::Work => {
                world.durable_names = world.names.clone();
                world.unsynced_names.clear();
                Ok(())
            }
            Verdict::Fail(error) => {
                let mut random = world.random.clone();
                let kept = odds(&mut random);
                world.sync_some_names(kept, &mut random);
                world.random = random;
                Err(error)
            }
            Verdict::Stop(error) | Verdict::Refuse(error) => Err(error),
        }
    }
}

impl SimFile {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for SimFile {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut world = self.lock();
        world.read()?;
        let from = offset as usize;
        let bytes = world.inode(self.inode)?.visible.get(from..from + buf.len());
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.lock();
        let verdict = world.begin(true);
        let part = world.random.below(bytes.len() as u64 + 1) as usize;
        let inode = world.inode(self.inode)?;
        match verdict {
            Verdict::Work => inode.write(offset as usize, bytes),
            Verdict::Fail(error) => {
                inode.write(offset as usize, &bytes[..part])?;
                Err(error)
            }
            Verdict::Stop(error) => {
                inode.write(offset as usize, bytes)?;
                Err(error)
            }
            Verdict::Refuse(error) => Err(error),
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut world = self.lock();
        let verdict = world.begin(true);
        let ignored = world.ignore_byte_syncs;
        let mut random = world.random.clone();
        let inode = world.inode(self.inode)?;
        let outcome = match verdict {
            Verdict::Work if ignored => Ok(()),
            Verdict::Work => {
                inode.sync();
                Ok(())
            }
            Verdict::Fail(error) => {
                inode.fail_sync(&mut random);
                Err(error)
            }
            Verdict::Stop(error) | Verdict::Refuse(error) => Err(error),
        };
        world.random = random;
        outcome
    }

    fn len(&mut self) -> io::Result<u64> {
        let mut world = self.lock();
        world.read()?;
        Ok(world.inode(self.inode)?.visible.len() as u64)
    }
}
