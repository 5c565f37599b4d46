//! What a store says of itself, in the server's words: the same with an engine and without one.

use stepwell_server::wire::{StoreFormatsJson, StoreJson};
use stepwell_store::ReadError;
use stepwell_store_sled::SledStore;

/// What `store` is. Its files are measured, which blocks on the disk.
pub(crate) fn store_facts(store: &SledStore) -> Result<StoreJson, ReadError> {
    let facts = store.info()?;
    let [record, settled, seal] = facts.formats;
    // Named alike wherever the engine and the command were started.
    let directory = std::path::absolute(&facts.directory).unwrap_or(facts.directory);
    Ok(StoreJson {
        directory: directory.display().to_string(),
        store: facts.store,
        formats: StoreFormatsJson {
            record,
            settled,
            seal,
        },
        generation: facts.generation,
        opening: facts.opening,
        clean: facts.sealed,
        tail_records: facts.tail_records,
        settled: facts.settled,
        checkpointed: facts.checkpointed,
        runs: facts.runs,
        log_bytes: facts.log_bytes,
        table_bytes: facts.table_bytes,
    })
}
