//! Every store keeps the contract.

/// The store in memory.
mod memory {
    use stepwell_testkit::MemoryStore;
    use stepwell_testkit::conformance::World;

    #[derive(Default)]
    struct MemoryWorld(Option<MemoryStore>);

    impl World for MemoryWorld {
        type Store = MemoryStore;

        fn open(&mut self) -> MemoryStore {
            let store = self.0.take();
            let store = store.map_or_else(MemoryStore::new, |store| store.crash());
            self.0 = Some(store.clone());
            store
        }

        fn end(&mut self, store: MemoryStore) {
            drop(store);
        }

        fn open_beside(&mut self, store: &MemoryStore) -> Option<MemoryStore> {
            Some(store.reopen())
        }
    }

    stepwell_testkit::conformance_tests!(MemoryWorld::default());
}

/// A store that could fail and does not.
mod faulty {
    use stepwell_testkit::conformance::World;
    use stepwell_testkit::{FaultyStore, MemoryStore};

    #[derive(Default)]
    struct FaultyWorld(Option<MemoryStore>);

    impl World for FaultyWorld {
        type Store = FaultyStore<MemoryStore>;

        fn open(&mut self) -> Self::Store {
            let store = self.0.take();
            let store = store.map_or_else(MemoryStore::new, |store| store.crash());
            self.0 = Some(store.clone());
            FaultyStore::new(store)
        }

        fn end(&mut self, store: Self::Store) {
            drop(store);
        }

        fn open_beside(&mut self, store: &Self::Store) -> Option<Self::Store> {
            Some(FaultyStore::new(store.inner().reopen()))
        }
    }

    stepwell_testkit::conformance_tests!(FaultyWorld::default());
}

/// The embedded store, on the real file system.
mod sled {
    use stepwell_store_sled::{OpenError, SledStore};
    use stepwell_testkit::conformance::World;
    use tempfile::TempDir;

    use crate::store::small;

    struct SledWorld(TempDir);

    impl SledWorld {
        fn new() -> Self {
            Self(TempDir::new().unwrap())
        }
    }

    impl World for SledWorld {
        type Store = SledStore;

        fn open(&mut self) -> SledStore {
            SledStore::open(self.0.path(), small()).unwrap()
        }

        fn end(&mut self, store: SledStore) {
            drop(store);
        }

        fn open_beside(&mut self, _: &SledStore) -> Option<SledStore> {
            let second = SledStore::open(self.0.path(), small());
            let pid = Some(std::process::id());
            assert!(
                matches!(&second, Err(OpenError::Locked { pid: found, .. }) if *found == pid),
                "the second opening must be told who holds the store"
            );
            None
        }
    }

    stepwell_testkit::conformance_tests!(SledWorld::new());
}
