//! Records of the daemon: bytes by table and key, opaque here.

use redb::TableDefinition;
use vx_proto::RecordKey;

use super::{Index, existing, seal};
use crate::error::StoreError;

const NAME: &str = "records";
const RECORDS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new(NAME);

impl Index {
    pub(crate) fn record(&self, key: &RecordKey) -> Option<Vec<u8>> {
        self.read(|transaction| {
            let Some(table) = existing(transaction.open_table(RECORDS))? else {
                return Ok(None);
            };
            let sealed = table.get((key.table.as_str(), key.key.as_str()))?;
            Ok(sealed.and_then(|sealed| seal::open(NAME, &seal_key(key), sealed.value()).map(<[u8]>::to_vec)))
        })
    }

    pub(crate) fn put_record(&self, key: &RecordKey, value: &[u8]) -> Result<(), StoreError> {
        let sealed = seal::seal(NAME, &seal_key(key), value);
        self.write(|transaction| {
            let mut table = transaction.open_table(RECORDS)?;
            table.insert((key.table.as_str(), key.key.as_str()), sealed.as_slice())?;
            Ok(())
        })
    }
}

/// Table and key as one text; the length in front keeps them unambiguous.
fn seal_key(key: &RecordKey) -> Vec<u8> {
    format!("{}:{}{}", key.table.len(), key.table, key.key).into_bytes()
}
