//! The store of vx: blobs and trees by content, the action cache, ingestion and materialisation, as the process casd.
//!
//! [`Store`] is a blocking library over one directory; [`serve`] offers it to other processes. The store is a cache: any
//! file of it may vanish or be damaged at any moment, and whatever it does not find intact is a miss, never an error and
//! never a wrong file. It knows nothing of units, compilers or keys' meanings, and evicts nothing yet.
//!
//! # What survives what
//!
//! Blobs are written to a temporary file, hashed, and renamed into place; they are *not* synced to the disk, which
//! would cost more than compiling a small crate. Two marks make that sound:
//!
//! - A published blob has one fixed modification time. Whoever writes to it, through whichever of its hard links,
//!   changes that time; the blob is then hashed again before it is used. (The time of the last *status* change would say
//!   more, but making a hard link changes it as well.)
//! - The index remembers for each blob the inode and the *boot* of the machine in which its content was last known. After a
//!   kill the page cache still holds what was written; after a loss of power it may not, and then the boot differs:
//!   each blob is hashed again at its first use in a new boot.
//!
//! The index (`index.redb`) commits without syncing, and a background thread makes the commits durable when things are
//! quiet. A kill loses at most the commits of the last seconds: an entry lost is a miss, and a result is only handed out
//! where every blob that it names is intact.
//!
//! # Executables
//!
//! Hard links share one mode, so an executable blob is a file of its own beside the plain one. casd starts no process:
//! none of its open files is ever inherited, so that no executable it lays down is busy.

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
