//! A sparse registry: the addresses of its archives.
//!
//! The format is that of `config.json` in Cargo's registry index.

use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;
use vx_download::{DownloadCache, DownloadError};

use crate::LockedPackage;

/// The index of crates.io.
pub const CRATES_IO_INDEX: &str = "https://index.crates.io/";

/// No index says more of itself.
const LARGEST_CONFIG: usize = 64 * 1024;

/// A registry does not provide an archive.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A request to it failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Its `config.json`, which holds the address of packages, is not usable.
    #[error("failed to read the configuration of the registry {index}")]
    Config {
        /// Its index.
        index: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A sparse registry.
#[derive(Debug)]
pub struct Registry {
    index: Url,
    /// Its `config.json`, requested once; `None` if the registry requires authentication.
    config: OnceCell<Option<Config>>,
}

#[derive(Debug, Deserialize)]
struct Config {
    dl: String,
    #[serde(default, rename = "auth-required")]
    needs_login: bool,
}

impl Registry {
    /// The registry with this index; its address ends with a slash.
    pub fn new(index: Url) -> Self {
        Self {
            index,
            config: OnceCell::new(),
        }
    }

    /// crates.io.
    pub fn crates_io() -> Self {
        Self::new(Url::parse(CRATES_IO_INDEX).expect("a constant that is an address"))
    }

    /// The address of the archive of `package`; `None` if the registry requires authentication.
    pub(crate) async fn archive(
        &self,
        package: &LockedPackage,
        downloads: &DownloadCache,
    ) -> Result<Option<Url>, RegistryError> {
        let config = self.config.get_or_try_init(|| self.ask(downloads)).await?;
        let address = config.as_ref().map(|config| Url::parse(&fill(&config.dl, package)));
        address
            .transpose()
            .map_err(|error| self.unusable(std::io::Error::other(error)))
    }

    async fn ask(&self, downloads: &DownloadCache) -> Result<Option<Config>, RegistryError> {
        let url = self
            .index
            .join("config.json")
            .map_err(|error| self.unusable(std::io::Error::other(error)))?;
        let text = match downloads.get(&url, LARGEST_CONFIG).await {
            Err(DownloadError::Status { status, .. }) if [401, 403].contains(&status.as_u16()) => return Ok(None),
            answer => answer?,
        };
        let config: Config = serde_json::from_slice(&text).map_err(|error| self.unusable(error.into()))?;
        Ok(Some(config).filter(|config| !config.needs_login))
    }

    fn unusable(&self, source: std::io::Error) -> RegistryError {
        RegistryError::Config {
            index: self.index.to_string(),
            source,
        }
    }
}

/// Fills in the markers of a download address; one without markers is a prefix.
fn fill(template: &str, package: &LockedPackage) -> String {
    let LockedPackage {
        name,
        version,
        checksum,
    } = package;
    let prefix = prefix(name);
    let markers = [
        ("{crate}", name.clone()),
        ("{version}", version.clone()),
        ("{prefix}", prefix.clone()),
        ("{lowerprefix}", prefix.to_lowercase()),
        ("{sha256-checksum}", checksum.to_string()),
    ];
    if markers.iter().any(|(marker, _)| template.contains(marker)) {
        markers
            .iter()
            .fold(template.to_owned(), |text, (marker, value)| text.replace(marker, value))
    } else {
        format!("{template}/{name}/{version}/download")
    }
}

/// The directory of a name in an index: `1`, `2`, `3/a`, `ab/cd`.
fn prefix(name: &str) -> String {
    let part = |from, to| name.get(from..to).unwrap_or_default();
    match name.len() {
        0..=2 => name.len().to_string(),
        3 => format!("3/{}", part(0, 1)),
        _ => format!("{}/{}", part(0, 2), part(2, 4)),
    }
}

#[cfg(test)]
mod tests {
    use vx_download::Checksum;

    use super::*;

    fn package(name: &str) -> LockedPackage {
        LockedPackage {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            checksum: Checksum::of(b""),
        }
    }

    #[test]
    fn addresses_without_markers_are_prefixes() {
        let filled = fill("https://example.com/api", &package("serde"));
        assert_eq!(filled, "https://example.com/api/serde/1.2.3/download");
    }

    #[test]
    fn markers_are_filled_in() {
        let template = "https://example.com/{lowerprefix}/{prefix}/{crate}-{version}";
        assert_eq!(
            fill(template, &package("Serde")),
            "https://example.com/se/rd/Se/rd/Serde-1.2.3"
        );
        assert_eq!(prefix("a"), "1");
        assert_eq!(prefix("abc"), "3/a");
    }
}
