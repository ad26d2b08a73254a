//! The server of toolchains. Only this file names the official one.

use std::collections::BTreeMap;
use std::fmt;

use url::Url;
use vx_home::env::VX_DIST_SERVER;

/// The official server, with which the addresses in every manifest begin.
const OFFICIAL: &str = "https://static.rust-lang.org";

/// The variable in which rustup takes the address of its server.
const RUSTUP_DIST_SERVER: &str = "RUSTUP_DIST_SERVER";

/// The address of channels and components, which are below `dist/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistServer {
    /// Without a slash at its end.
    root: String,
}

impl DistServer {
    /// The official server.
    pub fn official() -> Self {
        Self::new(OFFICIAL)
    }

    /// The server at `root`.
    pub fn new(root: &str) -> Self {
        Self {
            root: root.trim_end_matches('/').to_owned(),
        }
    }

    /// The server that an environment names: `VX_DIST_SERVER`, else `RUSTUP_DIST_SERVER`, else the official one.
    pub fn of(environment: &BTreeMap<String, String>) -> Self {
        let named = [VX_DIST_SERVER, RUSTUP_DIST_SERVER]
            .into_iter()
            .filter_map(|name| environment.get(name))
            .find(|root| !root.is_empty());
        named.map_or_else(Self::official, |root| Self::new(root))
    }

    /// The address of a file below the root.
    pub(super) fn url(&self, path: &str) -> Result<Url, url::ParseError> {
        format!("{}/{path}", self.root).parse()
    }

    /// The address to fetch a file from whose address in a manifest is `url`.
    pub(super) fn redirect(&self, url: &str) -> Result<Url, url::ParseError> {
        match url.strip_prefix(OFFICIAL).and_then(|path| path.strip_prefix('/')) {
            Some(path) => self.url(path),
            None => url.parse(),
        }
    }
}

impl fmt::Display for DistServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> String {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        DistServer::of(&variables.collect()).to_string()
    }

    #[test]
    fn ours_before_rustups_before_the_official_one() {
        let (ours, rustups) = ("https://example.com/ours/", "https://example.com/rustup");
        let both = [(VX_DIST_SERVER, ours), (RUSTUP_DIST_SERVER, rustups)];
        assert_eq!(of(&both), "https://example.com/ours");
        assert_eq!(of(&both[1..]), rustups);
        assert_eq!(of(&[(VX_DIST_SERVER, ""), both[1]]), rustups);
        assert_eq!(of(&[]), OFFICIAL);
    }

    #[test]
    fn only_official_addresses_are_redirected() {
        let server = DistServer::new("http://127.0.0.1:1/mirror");
        let redirect = |url: &str| server.redirect(url).unwrap().to_string();
        assert_eq!(
            redirect(&format!("{OFFICIAL}/dist/2026-04-16/a.tar.xz")),
            "http://127.0.0.1:1/mirror/dist/2026-04-16/a.tar.xz"
        );
        assert_eq!(redirect("https://example.com/dist/a"), "https://example.com/dist/a");
        let similar = format!("{OFFICIAL}.example.com/a");
        assert_eq!(redirect(&similar), similar);
    }
}
