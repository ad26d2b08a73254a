//! Blobs on disk: publishing them, and finding them intact.
//!
//! See the crate's documentation for when a blob is trusted. No function here fails because of a missing blob: what is
//! missing, damaged or unreadable is not found.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::{Mutex, MutexGuard};
use tempfile::TempPath;
use vx_model::Digest;

use crate::error::{IoContext as _, StoreError};
use crate::files;
use crate::index::{BlobKey, Index, Known};
use crate::layout::Layout;
use crate::platform;

/// The modification time of every published blob. It is an unlikely one: no tool that normalizes times uses it.
const PUBLISHED: Duration = Duration::from_secs(1_000_000_007);

/// The resolution of the time of last use, so that not every use is a write.
const USED_STEP: u64 = 600;

/// How often a blob is read that changes meanwhile.
const PROOFS: usize = 5;

/// Two threads work on one blob in turn, and on different blobs nearly always in parallel.
const STRIPES: usize = 64;

/// The blobs of a store.
pub(crate) struct Blobs {
    layout: Layout,
    index: Arc<Index>,
    /// Names the boot of the machine.
    boot: u64,
    /// Files whose content this process has seen to be right, as they were then.
    seals: Mutex<HashMap<BlobKey, Seal>>,
    stripes: [Mutex<()>; STRIPES],
}

/// Changes with everything that is done to a file, and cannot be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seal {
    inode: u64,
    /// When anything about it changed last, in nanoseconds since the Unix epoch.
    changed_ns: i128,
}

/// A file that only this process knows, with the digest of its content.
pub(crate) struct PrivateFile {
    pub(crate) path: TempPath,
    pub(crate) digest: Digest,
}

impl Blobs {
    pub(crate) fn new(layout: Layout, index: Arc<Index>) -> Self {
        Self {
            layout,
            index,
            boot: boot(),
            seals: Mutex::new(HashMap::new()),
            stripes: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    /// Whether the blob is here and, as far as its marks say, intact.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        [false, true]
            .into_iter()
            .any(|executable| self.variant(digest, executable).is_some())
    }

    /// The intact file of the blob with the right mode; made from the file with the other mode if necessary.
    pub(crate) fn file(&self, digest: &Digest, executable: bool) -> Result<Option<Utf8PathBuf>, StoreError> {
        if let Some(path) = self.sealed(digest, executable) {
            return Ok(Some(path));
        }
        let Some(other) = self.sealed(digest, !executable) else {
            return Ok(None);
        };
        let copied = self.copy_in(&other);
        match copied {
            Ok(copy) if copy.digest == *digest => {
                self.publish(copy, executable)?;
                Ok(self.sealed(digest, executable))
            }
            // Damaged or gone since it was looked at.
            Ok(_) => Ok(None),
            Err(_) if !other.exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An intact file of the blob, whatever its mode.
    pub(crate) fn any_file(&self, digest: &Digest) -> Option<Utf8PathBuf> {
        [false, true]
            .into_iter()
            .find_map(|executable| self.sealed(digest, executable))
    }

    /// Makes a hard link to the blob's file at `link`, which does not exist. What [`Blobs::file`] has found is linked, or
    /// nothing: then the error says that the file is not there.
    pub(crate) fn link(&self, digest: &Digest, executable: bool, link: &Path) -> io::Result<()> {
        let blob = self.layout.blob(digest, executable);
        let _stripe = self.stripe(digest);
        let before = self
            .sealed_now(digest, executable, &blob)
            .ok_or(io::ErrorKind::NotFound)?;
        fs::hard_link(&blob, link)?;
        self.seal_again(digest, executable, before, &blob)
    }

    /// Removes a hard link to the blob's file.
    pub(crate) fn unlink(&self, digest: &Digest, executable: bool, link: &Utf8Path) -> io::Result<()> {
        let blob = self.layout.blob(digest, executable);
        let _stripe = self.stripe(digest);
        let before = Seal::at(&blob);
        fs::remove_file(link)?;
        self.seal_again(digest, executable, before?, &blob)
    }

    /// The content of the blob, hashed as it was read.
    pub(crate) fn content(&self, digest: &Digest) -> Option<Vec<u8>> {
        [false, true].into_iter().find_map(|executable| {
            let content = fs::read(self.variant(digest, executable)?).ok()?;
            if Digest::of(&content) == *digest {
                return Some(content);
            }
            self.discard_if_damaged(digest, executable);
            None
        })
    }

    /// Stores a small blob.
    pub(crate) fn put(&self, content: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(content);
        if self.has(&digest) {
            return Ok(digest);
        }
        let mut file = self.new_file()?;
        let written = file.write_all(content).and_then(|()| set_published(file.as_file()));
        written.at("write a file in", &self.layout.tmp())?;
        let path = file.into_temp_path();
        self.publish(PrivateFile { path, digest }, false)?;
        Ok(digest)
    }

    /// Makes a private copy of any regular file.
    pub(crate) fn copy_in(&self, source: &Utf8Path) -> Result<PrivateFile, StoreError> {
        let from = files::open_regular(source)?;
        let to = self.new_file()?;
        let digest = files::copy_hashing(&from, &to).at("copy to the store", source)?;
        set_published(to.as_file()).at("copy to the store", source)?;
        Ok(PrivateFile {
            path: to.into_temp_path(),
            digest,
        })
    }

    /// Moves a file into the store's hands; `None` if it is on another file system.
    pub(crate) fn move_in(&self, source: &Utf8Path) -> Result<Option<PrivateFile>, StoreError> {
        let mut builder = tempfile::Builder::new();
        // A rename replaces, so the name must be unused.
        builder.prefix("in-").rand_bytes(32);
        let moved = builder.make_in(self.layout.tmp(), |path| fs::rename(source, path));
        let path = match moved {
            Ok(file) => file.into_temp_path(),
            Err(error) if matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::NotFound) => {
                return Ok(None);
            }
            Err(error) => return Err(error).at("move to the store", source),
        };
        let file = platform::open_file(&path).at("open", source)?;
        // First the time, then the content: a later write by somebody else is noticed when it is published.
        let hashed = set_published(&file).and_then(|()| files::hash(&file));
        let digest = hashed.at("read", source)?;
        Ok(Some(PrivateFile { path, digest }))
    }

    /// Gives a private file its name in the store, unless an intact one has it.
    pub(crate) fn publish(&self, file: PrivateFile, executable: bool) -> Result<(), StoreError> {
        let PrivateFile { path, digest } = file;
        let blob = self.layout.blob(&digest, executable);
        platform::set_blob_permissions(&path, executable).at("set the mode of", &blob)?;
        let _stripe = self.stripe(&digest);
        if self.is_trusted(&digest, executable, &blob) {
            return Ok(());
        }
        let metadata = fs::symlink_metadata(&path).at("read", &blob)?;
        if !is_untouched(&metadata, &digest, executable) {
            return Err(io::Error::other("it was written to while it was taken in")).at("store", &blob);
        }
        persist(path, &blob).at("write", &blob)?;
        // Its name is a change too.
        let metadata = fs::symlink_metadata(&blob).at("read", &blob)?;
        self.remember(&digest, executable, &metadata);
        Ok(())
    }

    /// The file of the blob with that mode, if it is certainly intact: nothing was done to it since this process has
    /// read it, except by this process.
    fn sealed(&self, digest: &Digest, executable: bool) -> Option<Utf8PathBuf> {
        let path = self.variant(digest, executable)?;
        if self.seal(digest, executable, &path).is_none() {
            let _stripe = self.stripe(digest);
            self.sealed_now(digest, executable, &path)?;
        }
        Some(path)
    }

    /// The seal of the file, which is hashed if it has none. The caller holds its stripe.
    fn sealed_now(&self, digest: &Digest, executable: bool, path: &Utf8Path) -> Option<Seal> {
        let seal = || self.seal(digest, executable, path);
        seal().or_else(|| self.is_proved(digest, executable, path).then(seal)?)
    }

    /// The seal of the file, if it is as this process has seen it.
    fn seal(&self, digest: &Digest, executable: bool, path: &Utf8Path) -> Option<Seal> {
        let known = self.seals.lock().get(&BlobKey::new(digest, executable)).copied()?;
        Seal::at(path).is_ok_and(|now| now == known).then_some(known)
    }

    /// A link was made or removed, which is a change of the file that was as `before`.
    fn seal_again(&self, digest: &Digest, executable: bool, before: Seal, path: &Utf8Path) -> io::Result<()> {
        let now = Seal::at(path)?;
        if let Some(seal) = self.seals.lock().get_mut(&BlobKey::new(digest, executable))
            && *seal == before
        {
            *seal = now;
        }
        Ok(())
    }

    /// The file of the blob with that mode, if it is there and intact.
    fn variant(&self, digest: &Digest, executable: bool) -> Option<Utf8PathBuf> {
        let path = self.layout.blob(digest, executable);
        if self.is_trusted(digest, executable, &path) {
            return Some(path);
        }
        if !path.exists() && self.index.known(&BlobKey::new(digest, executable)).is_none() {
            return None;
        }
        let _stripe = self.stripe(digest);
        // Another thread may have checked it meanwhile.
        let intact = self.is_trusted(digest, executable, &path) || self.is_proved(digest, executable, &path);
        intact.then_some(path)
    }

    /// Whether the file is as it was when its content was last known to be right.
    fn is_trusted(&self, digest: &Digest, executable: bool, path: &Utf8Path) -> bool {
        let Ok(metadata) = fs::symlink_metadata(path) else {
            return false;
        };
        if !is_untouched(&metadata, digest, executable) {
            return false;
        }
        let key = BlobKey::new(digest, executable);
        let Some(known) = self.index.known(&key) else {
            return false;
        };
        if known.inode != platform::inode(&metadata) || known.boot != self.boot {
            return false;
        }
        let used = now_in_steps();
        if known.used != used {
            self.index.set_known(key, Some(Known { used, ..known }));
        }
        true
    }

    /// Hashes the file. It is trusted from now on if it is right, and removed if not.
    fn is_proved(&self, digest: &Digest, executable: bool, path: &Utf8Path) -> bool {
        match prove(path, digest, executable) {
            Ok(Some(metadata)) => {
                self.remember(digest, executable, &metadata);
                return true;
            }
            Ok(None) => {
                tracing::warn!(blob = %path, "removed a damaged blob");
                remove(path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(blob = %path, %error, "cannot read a blob"),
        }
        self.index.set_known(BlobKey::new(digest, executable), None);
        false
    }

    fn discard_if_damaged(&self, digest: &Digest, executable: bool) {
        let _stripe = self.stripe(digest);
        self.is_proved(digest, executable, &self.layout.blob(digest, executable));
    }

    fn remember(&self, digest: &Digest, executable: bool, metadata: &Metadata) {
        let known = Known {
            size: metadata.len(),
            inode: platform::inode(metadata),
            boot: self.boot,
            used: now_in_steps(),
        };
        let key = BlobKey::new(digest, executable);
        self.index.set_known(key, Some(known));
        self.seals.lock().insert(key, Seal::of(metadata));
    }

    fn new_file(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        let tmp = self.layout.tmp();
        let create = || tempfile::Builder::new().prefix("in-").tempfile_in(&tmp);
        let created = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(&tmp).and_then(|()| create()),
            created => created,
        };
        created.at("make a file in", &tmp)
    }

    fn stripe(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        let stripe = usize::from(digest.hash[0]) % STRIPES;
        // It guards files, not memory: what a panic leaves half done is detected later.
        self.stripes[stripe].lock()
    }
}

impl Seal {
    fn at(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self::of(&fs::symlink_metadata(path)?))
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: platform::inode(metadata),
            changed_ns: platform::changed_ns(metadata),
        }
    }
}

/// Whether there is no sign that somebody wrote to the file or changed its mode.
fn is_untouched(metadata: &Metadata, digest: &Digest, executable: bool) -> bool {
    metadata.is_file()
        && metadata.len() == digest.size_bytes
        && metadata.modified().is_ok_and(|time| time == UNIX_EPOCH + PUBLISHED)
        && platform::has_blob_permissions(metadata, executable)
}

/// Hashes a file. If it is right, makes it look untouched again; `None` if it is wrong.
fn prove(path: &Utf8Path, digest: &Digest, executable: bool) -> io::Result<Option<Metadata>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = platform::open_file(path.as_std_path())?;
    if file.metadata()?.len() != digest.size_bytes {
        return Ok(None);
    }
    for _ in 0..PROOFS {
        // First the time, then the content: a write in between is noticed.
        set_published(&file)?;
        platform::set_blob_permissions(path.as_std_path(), executable)?;
        let before = file.metadata()?;
        if files::hash(&file)? != *digest {
            return Ok(None);
        }
        let metadata = file.metadata()?;
        if Seal::of(&before) == Seal::of(&metadata) {
            return Ok(is_untouched(&metadata, digest, executable).then_some(metadata));
        }
        // Somebody removed a link to it meanwhile, or wrote to it.
    }
    Err(io::Error::other("it is changed again and again"))
}

fn set_published(file: &File) -> io::Result<()> {
    file.set_modified(UNIX_EPOCH + PUBLISHED)
}

/// Renames a temporary file, and creates its new directory.
fn persist(from: TempPath, to: &Utf8Path) -> io::Result<()> {
    match (from.persist(to), to.parent()) {
        (Err(refused), Some(parent)) if refused.error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(parent)?;
            Ok(refused.path.persist(to)?)
        }
        (persisted, _) => Ok(persisted?),
    }
}

fn remove(path: &Utf8Path) {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(blob = %path, %error, "cannot remove a damaged blob");
    }
}

/// Seconds since the Unix epoch, rounded down to [`USED_STEP`].
fn now_in_steps() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    now - now % USED_STEP
}

/// Names the current boot. If the system does not report it, every process counts as a boot of its own.
fn boot() -> u64 {
    let name = platform::boot_id().unwrap_or_else(|| format!("{:?} {}", SystemTime::now(), std::process::id()));
    let mut id = [0; 8];
    id.copy_from_slice(&Digest::of(name.as_bytes()).hash[..8]);
    u64::from_le_bytes(id)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;
    use crate::flusher::Dirt;

    fn blobs(dir: &tempfile::TempDir) -> Blobs {
        let layout = Layout::open(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        let index = Arc::new(Index::open(&layout.index(), Dirt::default()).unwrap());
        Blobs::new(layout, index)
    }

    /// Changes a blob without a trace, as a disk may that lost power.
    fn tear(path: &Utf8Path) {
        platform::set_blob_permissions(path.as_std_path(), false).unwrap();
        let mut permissions = fs::metadata(path).unwrap().permissions();
        #[expect(
            clippy::permissions_set_readonly_false,
            reason = "for a moment, and in a directory of this test"
        )]
        permissions.set_readonly(false);
        fs::set_permissions(path, permissions).unwrap();
        let mut file = File::options().write(true).open(path).unwrap();
        file.rewind().unwrap();
        file.write_all(b"\0").unwrap();
        set_published(&file).unwrap();
        platform::set_blob_permissions(path.as_std_path(), false).unwrap();
    }

    #[test]
    fn a_blob_torn_by_a_loss_of_power_is_found_out_in_the_next_boot() {
        let dir = tempfile::tempdir().unwrap();
        let mut blobs = blobs(&dir);
        let torn = blobs.put(b"torn").unwrap();
        let whole = blobs.put(b"whole").unwrap();
        tear(&blobs.layout.blob(&torn, false));
        assert!(blobs.has(&torn), "nothing shows in the same boot");

        blobs.boot += 1;
        assert!(blobs.any_file(&torn).is_none());
        assert!(blobs.any_file(&whole).is_some());
        let known = blobs.index.known(&BlobKey::new(&whole, false)).unwrap();
        assert_eq!(known.boot, blobs.boot, "it is trusted again");
    }

    #[test]
    fn a_blob_whose_marks_were_put_back_is_not_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(&dir);
        let [altered, whole] = ["altered", "whole"].map(|text| blobs.put(text.as_bytes()).unwrap());
        let link = |name: &str| dir.path().join(name);
        blobs.link(&altered, false, &link("one")).unwrap();
        tear(&blobs.layout.blob(&altered, false));
        assert!(blobs.has(&altered), "nothing shows");
        assert!(blobs.link(&altered, false, &link("two")).is_err());
        assert!(!blobs.has(&altered), "it is gone");
        assert!(blobs.link(&whole, false, &link("three")).is_ok());
    }

    #[test]
    fn own_links_do_not_break_a_seal() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(&dir);
        let digest = blobs.put(b"content").unwrap();
        let path = blobs.layout.blob(&digest, false);
        let link = Utf8Path::from_path(dir.path()).unwrap().join("link");
        blobs.link(&digest, false, link.as_std_path()).unwrap();
        let is_sealed = || blobs.seal(&digest, false, &path).is_some();
        assert!(is_sealed());
        blobs.unlink(&digest, false, &link).unwrap();
        assert!(is_sealed());
        fs::hard_link(&path, &link).unwrap();
        assert!(!is_sealed(), "somebody else's link");
        assert!(blobs.any_file(&digest).is_some() && is_sealed());
    }

    /// A writer that still has the file open when it is taken in.
    #[test]
    fn a_file_that_is_written_to_while_it_is_taken_in_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(&dir);
        let source = Utf8Path::from_path(dir.path()).unwrap().join("source");
        let mut writer = File::create(&source).unwrap();
        writer.write_all(b"before").unwrap();
        let moved = blobs.move_in(&source).unwrap().unwrap();
        let digest = moved.digest;
        writer.rewind().unwrap();
        writer.write_all(b"behind").unwrap();
        assert!(blobs.publish(moved, false).is_err());
        assert!(!blobs.has(&digest));
    }

    #[test]
    fn a_use_is_noted_in_steps() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(&dir);
        let digest = blobs.put(b"x").unwrap();
        let key = BlobKey::new(&digest, false);
        let known = blobs.index.known(&key).unwrap();
        assert_eq!(known.used % USED_STEP, 0);
        blobs.index.set_known(key, Some(Known { used: 0, ..known }));
        assert!(blobs.has(&digest));
        assert!(blobs.index.known(&key).unwrap().used >= known.used);
    }
}
