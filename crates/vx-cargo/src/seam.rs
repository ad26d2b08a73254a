//! Signatures that are being filled in.
#![expect(clippy::unimplemented, unused_variables, reason = "being filled in")]

use camino::Utf8Path;

use crate::{PlanContext, PlanError, SourceReplacement};

/// Downloads what the lock file of `workspace` names, making or updating the lock file where it is missing or stale.
/// `downloads` is the shared download cache; `status` tells the user (a verb, a text). Refuses by name what is not
/// supported, before anything is fetched.
pub async fn prepare_packages(
    context: &PlanContext,
    workspace: &Utf8Path,
    downloads: &Utf8Path,
    status: &(dyn Fn(&str, String) + Send + Sync),
) -> Result<SourceReplacement, PlanError> {
    unimplemented!()
}
