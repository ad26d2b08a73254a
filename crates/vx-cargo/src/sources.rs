//! How Cargo's configuration replaces the sources of packages (`[source]`, `[registries]`), and how Cargo is made to
//! take packages from vx instead.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use url::Url;
use vx_packages::{GitReference, GitSource, Registry, RegistrySource};

use crate::PlanContext;
use crate::cargo::config::Config;
use crate::workspace::cargo_home;

/// Cargo's name of crates.io.
const CRATES_IO: &str = "crates-io";

/// Where the packages of a source come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A registry whose index is files over HTTP.
    Sparse(Url),
    /// In a directory of archives.
    LocalRegistry(Utf8PathBuf),
    /// A directory of unpacked packages.
    Directory(Utf8PathBuf),
    /// Where only Cargo gets them from.
    Cargo,
}

/// The sources that the configuration names.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    config: Config,
}

impl Sources {
    pub(crate) fn new(config: Config) -> Self {
        Self { config }
    }

    /// Where the packages of `registry` come from.
    pub(crate) fn of_registry(&self, registry: &RegistrySource) -> Location {
        match self.registry_name(registry) {
            Some(name) => self.follow(name),
            None => location(registry),
        }
    }

    /// Where the packages of `git` are.
    pub(crate) fn of_git(&self, git: &GitSource) -> Location {
        self.git_name(git).map_or(Location::Cargo, |name| self.follow(name))
    }

    /// Cargo's options that take the packages of `registry` from `directory`; `number` distinguishes this source from
    /// others.
    pub(crate) fn replace_registry(
        &self,
        registry: &RegistrySource,
        directory: &Utf8Path,
        number: usize,
    ) -> Vec<String> {
        let mut options = Vec::new();
        let name = self.registry_name(registry).unwrap_or_else(|| {
            let name = format!("vx-registry-{number}");
            options.push(option(&name, "registry", &registry.to_string()));
            name
        });
        replace(&mut options, &name, directory, number);
        options
    }

    /// As [`Sources::replace_registry`]; `None` if the configuration does not name the source.
    pub(crate) fn replace_git(&self, git: &GitSource, directory: &Utf8Path, number: usize) -> Vec<String> {
        let mut options = Vec::new();
        if let Some(name) = self.git_name(git) {
            replace(&mut options, &name, directory, number);
        }
        options
    }

    /// The name of `registry` in the configuration.
    fn registry_name(&self, registry: &RegistrySource) -> Option<String> {
        if *registry == RegistrySource::CratesIo {
            return Some(CRATES_IO.to_owned());
        }
        let is_it = |name: &&str| self.registry_of(name).as_ref() == Some(registry);
        self.config.keys(&["source"]).into_iter().find(is_it).map(str::to_owned)
    }

    /// The name of `git` in the configuration.
    fn git_name(&self, git: &GitSource) -> Option<String> {
        let is_it = |name: &&str| {
            let text = |key| self.config.text(&["source", name, key]);
            let Some(Ok(url)) = text("git").map(|url| Url::parse(&url)) else {
                return false;
            };
            let reference = text("branch").map(GitReference::Branch);
            let reference = reference.or_else(|| text("tag").map(GitReference::Tag));
            let reference = reference.or_else(|| text("rev").map(GitReference::Rev));
            git.is(&url, &reference.unwrap_or(GitReference::DefaultBranch))
        };
        self.config.keys(&["source"]).into_iter().find(is_it).map(str::to_owned)
    }

    fn registry_of(&self, name: &str) -> Option<RegistrySource> {
        self.config.text(&["source", name, "registry"])?.parse().ok()
    }

    /// Where `replace-with` leads from the source `name`.
    fn follow(&self, name: String) -> Location {
        let mut name = name;
        let mut seen = BTreeSet::new();
        // Cargo refuses circles.
        while seen.insert(name.clone()) {
            match self.config.text(&["source", &name, "replace-with"]) {
                Some(next) => name = next,
                None => break,
            }
        }
        if let Some(directory) = self.config.path(&["source", &name, "directory"]) {
            return Location::Directory(directory);
        }
        if let Some(directory) = self.config.path(&["source", &name, "local-registry"]) {
            return Location::LocalRegistry(directory);
        }
        let by_name = || self.config.text(&["registries", &name, "index"])?.parse().ok();
        match self.registry_of(&name).or_else(by_name) {
            Some(registry) => location(&registry),
            None if name == CRATES_IO => location(&RegistrySource::CratesIo),
            None => Location::Cargo,
        }
    }
}

/// The location of a registry that is not replaced.
fn location(registry: &RegistrySource) -> Location {
    match registry {
        RegistrySource::CratesIo => {
            Location::Sparse(Url::parse(vx_packages::CRATES_IO_INDEX).expect("a constant that is an address"))
        }
        RegistrySource::Sparse(index) => Location::Sparse(index.clone()),
        RegistrySource::GitIndex(_) => Location::Cargo,
    }
}

impl Location {
    /// Where archives come from.
    pub(crate) fn origin(&self) -> vx_packages::Origin {
        use vx_packages::Origin;
        match self {
            Self::Sparse(index) => Origin::Registry(Registry::new(index.clone())),
            Self::LocalRegistry(directory) => Origin::Directory(directory.clone()),
            Self::Directory(_) | Self::Cargo => Origin::Cargo,
        }
    }
}

fn replace(options: &mut Vec<String>, name: &str, directory: &Utf8Path, number: usize) {
    let ours = format!("vx-packages-{number}");
    options.push(option(&ours, "directory", directory.as_str()));
    options.push(option(name, "replace-with", &ours));
}

/// The value of `--config` that sets `key` of the source `name`.
fn option(name: &str, key: &str, value: &str) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!("source.{}.{key}={}", text(name), text(value))
}

/// Whether the configuration that applies to `context` could name sources: asking Cargo takes longer than looking.
pub(crate) fn are_configured(context: &PlanContext) -> bool {
    let names = |text: &str| text.contains("source") || text.contains("include");
    let is_variable = |name: &String| name.starts_with("CARGO_SOURCE_");
    let files = |directory: &Utf8Path| ["config.toml", "config"].map(|name| directory.join(name));
    let in_file = |path: Utf8PathBuf| std::fs::read_to_string(path).is_ok_and(|text| names(&text));
    let mut directories = context.directory.ancestors().map(|directory| directory.join(".cargo"));
    context
        .selection
        .config
        .iter()
        .any(|config| names(config) || !config.contains('='))
        || context.environment.keys().any(is_variable)
        || directories.any(|directory| files(&directory).into_iter().any(in_file))
        || cargo_home(context).is_some_and(|home| files(&home).into_iter().any(in_file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(lines: &[&str]) -> Sources {
        let answer: String = lines
            .iter()
            .map(|line| format!("{line} # /p/.cargo/config.toml\n"))
            .collect();
        Sources::new(Config::parse(&answer, std::collections::BTreeMap::new(), "/p/sub".into()).unwrap())
    }

    fn sparse(url: &str) -> Location {
        Location::Sparse(Url::parse(url).unwrap())
    }

    fn registry(text: &str) -> RegistrySource {
        text.parse().unwrap()
    }

    #[test]
    fn without_configuration() {
        let sources = Sources::default();
        assert_eq!(
            sources.of_registry(&RegistrySource::CratesIo),
            sparse(vx_packages::CRATES_IO_INDEX)
        );
        let other = registry("sparse+https://example.com/index/");
        assert_eq!(sources.of_registry(&other), sparse("https://example.com/index/"));
        assert_eq!(
            sources.of_registry(&registry("registry+https://example.com/index")),
            Location::Cargo
        );
        let options = sources.replace_registry(&other, "/s".into(), 1);
        let expected = [
            r#"source."vx-registry-1".registry="sparse+https://example.com/index/""#,
            r#"source."vx-packages-1".directory="/s""#,
            r#"source."vx-registry-1".replace-with="vx-packages-1""#,
        ];
        assert_eq!(options, expected);
    }

    #[test]
    fn mirrors_of_mirrors() {
        let sources = sources(&[
            "source.crates-io.replace-with = \"a\"",
            "source.a.replace-with = \"b\"",
            "source.b.registry = \"sparse+https://example.com/index\"",
            "source.c.registry = \"https://example.com/c\"",
            "source.c.replace-with = \"named\"",
            "registries.named.index = \"sparse+https://example.com/named/\"",
        ]);
        assert_eq!(
            sources.of_registry(&RegistrySource::CratesIo),
            sparse("https://example.com/index/")
        );
        let c = registry("registry+https://example.com/c");
        assert_eq!(sources.of_registry(&c), sparse("https://example.com/named/"));
        let options = sources.replace_registry(&c, "/s".into(), 0);
        let expected = [
            r#"source."vx-packages-0".directory="/s""#,
            r#"source."c".replace-with="vx-packages-0""#,
        ];
        assert_eq!(options, expected);
    }

    #[test]
    fn directories_are_relative_to_the_configuration() {
        let sources = sources(&[
            "source.crates-io.replace-with = \"vendored\"",
            "source.vendored.directory = \"vendor\"",
            "source.\"git+https://example.com/a?tag=1\".git = \"https://example.com/a\"",
            "source.\"git+https://example.com/a?tag=1\".tag = \"1\"",
            "source.\"git+https://example.com/a?tag=1\".replace-with = \"archives\"",
            "source.archives.local-registry = \"/archives\"",
        ]);
        let vendored = Location::Directory("/p/vendor".into());
        assert_eq!(sources.of_registry(&RegistrySource::CratesIo), vendored);
        let git = |query: &str| {
            let text = format!("git+https://example.com/a{query}#{}", "0".repeat(40));
            let Ok(vx_packages::Source::Git(git)) = text.parse() else {
                panic!("{text}")
            };
            git
        };
        assert_eq!(
            sources.of_git(&git("?tag=1")),
            Location::LocalRegistry("/archives".into())
        );
        assert_eq!(sources.of_git(&git("?tag=2")), Location::Cargo);
        let options = sources.replace_git(&git("?tag=1"), "/s".into(), 7);
        assert_eq!(
            options[1],
            r#"source."git+https://example.com/a?tag=1".replace-with="vx-packages-7""#
        );
    }

    #[test]
    fn circles_end() {
        let sources = sources(&[
            "source.crates-io.replace-with = \"a\"",
            "source.a.replace-with = \"crates-io\"",
        ]);
        assert_eq!(
            sources.of_registry(&RegistrySource::CratesIo),
            sparse(vx_packages::CRATES_IO_INDEX)
        );
    }
}
