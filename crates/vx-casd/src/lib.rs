//! The store of vx: blobs and trees by content, the action cache, ingestion and materialization, as the process casd.
//!
//! [`Store`] is a blocking library over one directory; [`serve`] offers it to other processes. The store is a cache:
//! any file of it may vanish or be damaged at any time. What it does not find intact is a miss, never an error and
//! never a wrong file. It knows nothing about units, compilers or the meaning of keys, and evicts nothing yet.
//!
//! # What survives what
//!
//! Blobs are written to a temporary file, hashed, and renamed into place; they are *not* synced to the disk, which
//! would cost more than compiling a small crate. Three marks make that safe:
//!
//! - A published blob has one fixed modification time. A write through any of its hard links changes that time, and the
//!   blob is then hashed again before it is used.
//! - That time can be put back. So before a blob is handed out, its *status* must not have changed since this process
//!   has hashed it; that time nobody can put back. Making and removing a hard link changes it too, so the store does
//!   both, and looks at it before and after. A blob is hashed once more when it is handed out for the first time after a
//!   start of the store, or after others removed a link to it.
//! - The index remembers for each blob the inode and the *boot* of the machine in which its content was last known.
//!   After a kill the page cache still holds what was written. After a power loss it may not, but then the boot
//!   differs: each blob is hashed again at its first use in a new boot.
//!
//! The index (`index.redb`) commits without syncing, and a background thread makes the commits durable in quiet
//! moments. A kill loses at most the commits of the last seconds. A lost entry is a miss, and a result is returned only
//! if every blob that it names is intact.
//!
//! # Executables
//!
//! Hard links share one mode, so an executable blob is a file of its own beside the plain one. casd starts no
//! processes, so none of its open files is inherited and no executable that it lays down is busy.

mod blobs;
mod error;
mod files;
mod flusher;
mod index;
mod ingest;
mod layout;
mod materialize;
mod platform;
mod service;
mod store;
mod texts;
mod trees;

pub use error::StoreError;
pub use service::{CasdError, serve};
pub use store::Store;
