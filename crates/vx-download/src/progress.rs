//! Reports of a download's progress. How it is shown is not decided here.

use std::sync::Arc;

use url::Url;

/// How far a transfer is.
#[derive(Debug, Clone, Copy)]
pub struct Transferred<'a> {
    /// What is fetched.
    pub url: &'a Url,
    /// Bytes received. The first report counts those of an earlier, interrupted try.
    pub done: u64,
    /// Total bytes, if the server reports them.
    pub total: Option<u64>,
}

impl Transferred<'_> {
    /// Name of the file, for people.
    pub fn file(&self) -> String {
        let segments: Vec<&str> = self.url.path_segments().into_iter().flatten().collect();
        match segments.as_slice() {
            // What Cargo appends where a registry's `dl` has no markers: `/{crate}/{version}/download`.
            [.., name, version, "download"] => format!("{name}-{version}.crate"),
            [.., file] => (*file).to_owned(),
            [] => self.url.to_string(),
        }
    }
}

/// Called when a transfer begins, when it ends, and several times a second in between.
pub type ProgressHook = Arc<dyn Fn(Transferred<'_>) + Send + Sync>;
