//! Where a package of a lock file comes from: `registry+URL`, `sparse+URL`, `git+URL?branch=NAME#REVISION`.
//!
//! Parses Cargo's texts. Source replacement by Cargo's configuration is not decided here.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The names of crates.io in lock files and package ids, one for each protocol of its index.
const CRATES_IO: &[&str] = &[
    "registry+https://github.com/rust-lang/crates.io-index",
    "sparse+https://index.crates.io/",
];

/// Where a package comes from, if it is not a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A registry.
    Registry(RegistrySource),
    /// A commit of a git repository.
    Git(GitSource),
}

/// A registry, by its index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegistrySource {
    /// crates.io, whatever the protocol.
    CratesIo,
    /// Another one whose index is files over HTTP.
    Sparse(Url),
    /// Another one whose index is a git repository.
    GitIndex(Url),
}

/// A commit of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitSource {
    /// The repository.
    pub url: Url,
    /// What the manifest asks for.
    pub reference: GitReference,
    /// The commit that the lock file pins, 40 (or, with SHA-256, 64) hexadecimal digits.
    pub revision: String,
}

/// What a manifest requests from a git repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitReference {
    /// Whatever its `HEAD` is.
    DefaultBranch,
    /// A branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A commit, or another name for one.
    Rev(String),
}

/// A text does not name a source of packages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid package source: {reason}")]
pub struct ParseSourceError {
    text: String,
    reason: String,
}

impl FromStr for Source {
    type Err = ParseSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: &str| ParseSourceError {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (kind, rest) = text.split_once('+').ok_or_else(|| error("its kind is missing"))?;
        match kind {
            "registry" | "sparse" => text
                .parse()
                .map(Self::Registry)
                .map_err(|ParseSourceError { reason, .. }| error(&reason)),
            "git" => git(rest).map(Self::Git).map_err(|reason| error(&reason)),
            _ => Err(error("its kind is unknown")),
        }
    }
}

impl FromStr for RegistrySource {
    type Err = ParseSourceError;

    /// Accepts the forms of lock files (`registry+URL`, `sparse+URL`) and of configuration (`URL`, `sparse+URL`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |url: &str| {
            Url::parse(url).map_err(|error| ParseSourceError {
                text: text.to_owned(),
                reason: error.to_string(),
            })
        };
        let is_crates_io = |known: &&str| {
            let known = known.trim_end_matches('/');
            let text = text.trim_end_matches('/');
            known == text || known.strip_prefix("registry+") == Some(text)
        };
        if CRATES_IO.iter().any(is_crates_io) {
            return Ok(Self::CratesIo);
        }
        match text.strip_prefix("sparse+") {
            // The addresses of the index are relative to it.
            Some(url) if url.ends_with('/') => parse(url).map(Self::Sparse),
            Some(url) => parse(&format!("{url}/")).map(Self::Sparse),
            None => parse(text.strip_prefix("registry+").unwrap_or(text)).map(Self::GitIndex),
        }
    }
}

impl fmt::Display for RegistrySource {
    /// As Cargo's configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CratesIo => f.write_str("crates.io"),
            Self::Sparse(index) => write!(f, "sparse+{index}"),
            Self::GitIndex(index) => index.fmt(f),
        }
    }
}

fn git(text: &str) -> Result<GitSource, String> {
    let (address, revision) = text.rsplit_once('#').unwrap_or((text, ""));
    if !matches!(revision.len(), 40 | 64) || !revision.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("it does not pin a commit".to_owned());
    }
    // Lock files before version 4 encode nothing; Cargo's output never does.
    let mut url = Url::parse(&address.replace('#', "%23")).map_err(|error| error.to_string())?;
    let reference = reference(&url);
    url.set_query(None);
    Ok(GitSource {
        url,
        reference,
        revision: revision.to_owned(),
    })
}

fn reference(url: &Url) -> GitReference {
    let mut found = GitReference::DefaultBranch;
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "branch" => found = GitReference::Branch(value.into_owned()),
            "tag" => found = GitReference::Tag(value.into_owned()),
            "rev" => found = GitReference::Rev(value.into_owned()),
            _ => {}
        }
    }
    found
}

impl GitSource {
    /// The last part of the address, restricted to what a file name may contain: `serde` for
    /// `https://example.com/serde.git`.
    pub fn name(&self) -> String {
        let path = self.url.path().trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        let last = last.strip_suffix(".git").unwrap_or(last);
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let name: String = last.chars().filter(is_plain).collect();
        match name.trim_start_matches('.') {
            "" => "repository".to_owned(),
            name => name.to_owned(),
        }
    }

    /// Whether `url` and `reference` of a configuration mean this source, by Cargo's rules for equal addresses.
    pub fn is(&self, url: &Url, reference: &GitReference) -> bool {
        canonical(&self.url) == canonical(url) && self.reference == *reference
    }
}

impl fmt::Display for GitSource {
    /// As Cargo shows it: `URL?branch=NAME#SHORT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)?;
        match &self.reference {
            GitReference::DefaultBranch => {}
            GitReference::Branch(name) => write!(f, "?branch={name}")?,
            GitReference::Tag(name) => write!(f, "?tag={name}")?,
            GitReference::Rev(name) => write!(f, "?rev={name}")?,
        }
        write!(f, "#{}", self.revision.get(..8).unwrap_or(&self.revision))
    }
}

/// Addresses that Cargo considers the same repository are equal in this form.
fn canonical(url: &Url) -> String {
    let text = url.as_str().trim_end_matches('/');
    let text = text.strip_suffix(".git").unwrap_or(text);
    match url.host_str() {
        Some("github.com") => text.to_lowercase(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

    fn parsed_git(text: &str) -> GitSource {
        match text.parse() {
            Ok(Source::Git(git)) => git,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn crates_io_has_many_names() {
        for text in [
            "registry+https://github.com/rust-lang/crates.io-index",
            "sparse+https://index.crates.io/",
            "sparse+https://index.crates.io",
            "https://github.com/rust-lang/crates.io-index",
            "https://github.com/rust-lang/crates.io-index/",
        ] {
            assert_eq!(text.parse(), Ok(RegistrySource::CratesIo), "{text}");
        }
    }

    #[test]
    fn other_registries() {
        let sparse: RegistrySource = "sparse+https://example.com/index".parse().unwrap();
        assert_eq!(sparse.to_string(), "sparse+https://example.com/index/");
        let index: RegistrySource = "registry+https://example.com/index".parse().unwrap();
        assert_eq!(index.to_string(), "https://example.com/index");
        assert_eq!(index.to_string().parse(), Ok(index));
    }

    #[test]
    fn references_of_git_sources() {
        let reference = |query: &str| parsed_git(&format!("git+https://example.com/a{query}#{REVISION}")).reference;
        assert_eq!(reference(""), GitReference::DefaultBranch);
        assert_eq!(reference("?rev=01234"), GitReference::Rev("01234".to_owned()));
        assert_eq!(reference("?tag=v1.0"), GitReference::Tag("v1.0".to_owned()));
        // Version 4 of the lock file encodes characters that an address may not hold.
        for query in ["?branch=a%2Fb%23c", "?branch=a/b#c"] {
            assert_eq!(reference(query), GitReference::Branch("a/b#c".to_owned()));
        }
    }

    #[test]
    fn a_git_source_for_people_and_for_file_names() {
        let git = parsed_git(&format!("git+ssh://git@example.com/a/serde.git?branch=main#{REVISION}"));
        assert_eq!(
            git.to_string(),
            "ssh://git@example.com/a/serde.git?branch=main#01234567"
        );
        assert_eq!(git.name(), "serde");
        assert_eq!(
            parsed_git(&format!("git+https://example.com/..#{REVISION}")).name(),
            "repository"
        );
        let same = Url::parse("ssh://git@example.com/a/serde/").unwrap();
        assert!(git.is(&same, &GitReference::Branch("main".to_owned())));
        assert!(!git.is(&same, &GitReference::DefaultBranch));
    }

    #[test]
    fn what_is_not_a_source() {
        for text in [
            "",
            "x",
            "path+file:///a",
            "git+https://example.com/a",
            "git+https://example.com/a#01",
            "sparse+x",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((git|sparse|registry|path)\\+)?\\PC*") {
            let _ = text.parse::<Source>();
            let _ = text.parse::<RegistrySource>();
        }

        #[test]
        fn references_survive_encoding(name in "[^\0]{1,20}", kind in "branch|tag|rev") {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(&kind, &name).finish();
            let git = parsed_git(&format!("git+https://example.com/a?{query}#{REVISION}"));
            let expected = match kind.as_str() {
                "branch" => GitReference::Branch(name),
                "tag" => GitReference::Tag(name),
                _ => GitReference::Rev(name),
            };
            prop_assert_eq!(git.reference, expected);
        }

        #[test]
        fn names_are_plain(path in "[a-z./ %é]{0,20}") {
            let name = parsed_git(&format!("git+https://example.com/{path}#{REVISION}")).name();
            prop_assert!(!name.is_empty() && !name.contains('/') && !name.starts_with('.'), "{}", name);
        }
    }
}
