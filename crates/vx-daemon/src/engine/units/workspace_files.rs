//! Files that build scripts write into the workspace. They belong to the script's result, and are written again when it
//! comes from the store.
//!
//! They are not written if the same run was the last one there. Cargo would not run the script again, so later changes
//! are the user's. Scripts are identified by the directory of their package alone: a run for another version, platform
//! or profile overwrites the same files.

use camino::Utf8Path;
use vx_cargo::UnitIndex;
use vx_model::{Key, OutputFile, Root, RootedPath};
use vx_proto::{Content, IngestRequest, Ingested, MaterializeRequest, Placement};

use crate::engine::actions::Stop;
use crate::engine::build::Context;
use crate::engine::records::LastScript;

/// The files that the script of one unit writes into the workspace.
pub(super) struct WorkspaceFiles<'a> {
    context: &'a Context,
    unit: UnitIndex,
}

impl<'a> WorkspaceFiles<'a> {
    pub(super) fn new(context: &'a Context, unit: UnitIndex) -> Self {
        Self { context, unit }
    }

    /// Leaves the workspace as the run with the key `strong` did, which wrote `files` there; false if it could not have
    /// written them here.
    pub(super) async fn put_in_place(&self, strong: Key, files: &[OutputFile]) -> Result<bool, Stop> {
        // The usual case: a package from elsewhere, whose script does not write into the workspace.
        if files.is_empty() && !self.context.package(self.unit).source.is_path() {
            return Ok(true);
        }
        let was_last = !files.is_empty() && self.last().await? == Some(LastScript(Some(strong.hex())));
        if !was_last {
            self.forget_last().await?;
        }
        let is_in_place = self.write_again(files, was_last).await?;
        if is_in_place && !was_last && !files.is_empty() {
            self.note_last(strong).await?;
        }
        Ok(is_in_place)
    }

    /// Must be called before a script, or vx in its place, writes into the workspace, because that may be interrupted.
    pub(super) async fn forget_last(&self) -> Result<(), Stop> {
        if matches!(self.last().await?, Some(LastScript(Some(_)))) {
            self.put_last(LastScript(None)).await?;
        }
        Ok(())
    }

    /// Must be called when everything that a run wrote is in place.
    pub(super) async fn note_last(&self, strong: Key) -> Result<(), Stop> {
        self.put_last(LastScript(Some(strong.hex()))).await
    }

    /// Ingests files that a script has written; `None` if they cannot be written again.
    pub(super) async fn take_in(&self, paths: &[RootedPath]) -> Result<Option<Vec<OutputFile>>, Stop> {
        let absolute = |path| self.context.setting.roots.absolute(path);
        let is_file = |path: &String| std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        if !paths.iter().map(absolute).all(|path| is_file(&path)) {
            return Ok(None);
        }
        let requests = paths.iter().map(|path| IngestRequest {
            path: absolute(path),
            consume: false,
        });
        let ingested = self.context.engine.blobs.ingest(requests.collect()).await?;
        let files = paths.iter().zip(ingested).map(|(path, ingested)| match ingested {
            Ingested::File { digest, is_executable } => Some(OutputFile {
                path: path.clone(),
                digest,
                is_executable,
            }),
            Ingested::Tree { .. } | Ingested::Absent => None,
        });
        Ok(files.collect())
    }

    /// `keeps_changes`: only writes files that are missing.
    async fn write_again(&self, files: &[OutputFile], keeps_changes: bool) -> Result<bool, Stop> {
        let mut missing = Vec::new();
        for file in files {
            let path = self.context.setting.roots.absolute(&file.path);
            let is_file = match std::fs::symlink_metadata(&path) {
                Ok(_) if keeps_changes => continue,
                Ok(metadata) => metadata.is_file(),
                Err(_) => Utf8Path::new(&path).parent().is_some_and(Utf8Path::is_dir),
            };
            if !is_file {
                return Ok(false);
            }
            let known = self.context.engine.files.digest(&path);
            if !matches!(known, Ok(Some(digest)) if digest == file.digest) {
                missing.push(MaterializeRequest {
                    path,
                    content: Content::File {
                        digest: file.digest,
                        is_executable: file.is_executable,
                    },
                    placement: Placement::Copy,
                });
            }
        }
        Ok(missing.is_empty() || self.context.engine.blobs.materialize(missing).await?.is_empty())
    }

    async fn last(&self) -> Result<Option<LastScript>, Stop> {
        Ok(self.context.engine.records.get(&self.record_key()).await?)
    }

    async fn put_last(&self, last: LastScript) -> Result<(), Stop> {
        Ok(self.context.engine.records.put(&self.record_key(), &last).await?)
    }

    fn record_key(&self) -> String {
        let roots = &self.context.setting.roots;
        let package = self.context.package(self.unit);
        format!("{}\n{}", roots.dir(Root::Workspace), roots.absolute(&package.root))
    }
}
