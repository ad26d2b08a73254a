//! The environment of vx: every `VX_*` variable, read once and given a type.
//!
//! The command line and the services resolve it in the same way, so a service that was started by another finds the
//! same home and endpoints. Which variables exist is said in [`vx_home::env`]. What belongs to the user's project
//! (`RUSTFLAGS`, `CARGO_*`) travels in the build request and is not read here, except for the settings of the terminal.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use vx_home::{VxHome, WorkspaceLayout, env};
use vx_proto::{ErrorKind, WireError};
use vx_service::DaemonAccess;
use vx_transport::Endpoint;

/// How long an idle daemon stays if `VX_IDLE_TIMEOUT` is not set.
const IDLE_TIMEOUT: Duration = Duration::from_hours(3);

/// What the environment says about vx itself.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// Where vx keeps things.
    pub(crate) home: VxHome,
    /// `VX_DAEMON`; `None` for a free loopback port.
    pub(crate) daemon: Option<Endpoint>,
    /// `VX_CAS`; `None` for a free loopback port.
    pub(crate) cas: Option<Endpoint>,
    /// `VX_EXEC`; `None` for a free loopback port.
    pub(crate) exec: Option<Endpoint>,
    /// Downloads by SHA-256.
    pub(crate) downloads: Utf8PathBuf,
    /// How long an idle daemon stays.
    pub(crate) idle_timeout: Duration,
    /// `VX_LOG`: which events services log.
    pub(crate) log_filter: Option<String>,
    /// `VX_LOG_FILE`: where all services log to; `None` for one file each in the home.
    pub(crate) log_file: Option<Utf8PathBuf>,
    /// Unknown variables that look like vx's, sorted: misspelled ones would otherwise be ignored silently.
    pub(crate) unknown: Vec<String>,
}

/// A variable of vx with an invalid value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    /// Neither `VX_HOME` nor the user's home directory is known.
    #[error("cannot choose a state directory: neither {} nor HOME is set", env::VX_HOME)]
    NoHome,
    /// Paths of vx travel as text.
    #[error("`{variable}` is not valid UTF-8")]
    NotUtf8 {
        /// Which variable.
        variable: String,
    },
    /// A relative path, in a process that has no current directory.
    #[error("`{variable}` is a relative path, but the current directory cannot be read")]
    NoCurrentDirectory {
        /// Which variable.
        variable: &'static str,
        /// Why the current directory cannot be read.
        source: std::io::Error,
    },
    /// Not an endpoint that vx can listen on.
    #[error("`{variable}` is invalid")]
    Endpoint {
        /// Which variable.
        variable: &'static str,
        /// What is wrong with it.
        source: <Endpoint as std::str::FromStr>::Err,
    },
    /// Not a length of time.
    #[error("`{variable}` is not a duration such as `90s`, `10m` or `3h`")]
    Duration {
        /// Which variable.
        variable: &'static str,
        /// What is wrong with it.
        source: humantime::DurationError,
    },
}

impl From<EnvironmentError> for WireError {
    fn from(error: EnvironmentError) -> Self {
        let wire = Self::from_error(ErrorKind::Usage, &error);
        match error {
            EnvironmentError::NoHome => wire.with_help(format!("set `{}` to a directory", env::VX_HOME)),
            EnvironmentError::Endpoint { .. } => wire.with_help(
                "an endpoint is `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT` or `unix:/absolute/path.sock`",
            ),
            _ => wire,
        }
    }
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Result<Self, EnvironmentError> {
        Self::resolve(std::env::vars_os())
    }

    /// Finds the variables of vx in `variables`. An empty value counts as unset, as usual for paths and endpoints.
    pub(crate) fn resolve(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, EnvironmentError> {
        let variables = Variables::gather(variables)?;
        let home = match (variables.path(env::VX_HOME)?, variables.path("HOME")?) {
            (Some(home), _) => home,
            (None, Some(user)) => user.join(WorkspaceLayout::DIRECTORY),
            (None, None) => return Err(EnvironmentError::NoHome),
        };
        let home = VxHome::new(home);
        Ok(Self {
            daemon: variables.endpoint(env::VX_DAEMON)?,
            cas: variables.endpoint(env::VX_CAS)?,
            exec: variables.endpoint(env::VX_EXEC)?,
            downloads: variables
                .path(env::VX_DOWNLOAD_CACHE_DIR)?
                .unwrap_or_else(|| home.downloads()),
            idle_timeout: variables.duration(env::VX_IDLE_TIMEOUT)?.unwrap_or(IDLE_TIMEOUT),
            log_filter: variables.text(env::VX_LOG).map(str::to_owned),
            log_file: variables.path(env::VX_LOG_FILE)?,
            unknown: variables.unknown(),
            home,
        })
    }

    /// The daemon of this home.
    pub(crate) fn daemon_access(&self) -> DaemonAccess {
        // Resolved here: relative paths mean something else in the daemon's working directory.
        let downloads = (env::VX_DOWNLOAD_CACHE_DIR, self.downloads.to_string());
        let log_file = self.log_file.iter().map(|path| (env::VX_LOG_FILE, path.to_string()));
        DaemonAccess {
            home: self.home.clone(),
            endpoint: self.daemon.clone(),
            log_file: self.log_file.clone(),
            environment: std::iter::once(downloads).chain(log_file).collect(),
        }
    }
}

/// The variables that matter, none of them empty.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn gather(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, EnvironmentError> {
        let mut found = BTreeMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if value.is_empty() || !(name.starts_with("VX_") || name == "HOME") {
                continue;
            }
            match value.into_string() {
                Ok(value) => found.insert(name, value),
                Err(_) => return Err(EnvironmentError::NotUtf8 { variable: name }),
            };
        }
        Ok(Self(found))
    }

    fn text(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str)
    }

    fn path(&self, variable: &'static str) -> Result<Option<Utf8PathBuf>, EnvironmentError> {
        let absolute = |path| {
            camino::absolute_utf8(Utf8Path::new(path))
                .map_err(|source| EnvironmentError::NoCurrentDirectory { variable, source })
        };
        self.text(variable).map(absolute).transpose()
    }

    fn endpoint(&self, variable: &'static str) -> Result<Option<Endpoint>, EnvironmentError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|source| EnvironmentError::Endpoint { variable, source })
        };
        self.text(variable).map(parse).transpose()
    }

    fn duration(&self, variable: &'static str) -> Result<Option<Duration>, EnvironmentError> {
        let parse =
            |text| humantime::parse_duration(text).map_err(|source| EnvironmentError::Duration { variable, source });
        self.text(variable).map(parse).transpose()
    }

    fn unknown(self) -> Vec<String> {
        let is_unknown = |name: &String| name.starts_with("VX_") && !env::ALL.contains(&name.as_str());
        self.0.into_keys().filter(is_unknown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(variables: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
        Environment::resolve(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn an_empty_environment_but_for_home_gives_the_defaults() {
        let environment = resolve(&[("HOME", "/home/ada"), ("VX_DAEMON", "")]).unwrap();
        assert_eq!(environment.home.root(), "/home/ada/.vx");
        assert_eq!(environment.downloads, "/home/ada/.vx/downloads");
        assert_eq!(environment.idle_timeout, Duration::from_secs(3 * 60 * 60));
        assert_eq!(environment.daemon, None);
        assert!(environment.unknown.is_empty());
    }

    #[test]
    fn every_variable_has_its_effect() {
        let environment = resolve(&[
            ("VX_HOME", "/state"),
            ("VX_DAEMON", "127.0.0.1:7001"),
            ("VX_CAS", "[::1]:7002"),
            ("VX_EXEC", "unix:/run/exec.sock"),
            ("VX_DOWNLOAD_CACHE_DIR", "/downloads"),
            ("VX_IDLE_TIMEOUT", "90s"),
            ("VX_LOG", "debug"),
            ("VX_LOG_FILE", "/log"),
        ])
        .unwrap();
        assert_eq!(environment.home.root(), "/state");
        let endpoints = [environment.daemon, environment.cas, environment.exec];
        let endpoints = endpoints.map(|endpoint| endpoint.unwrap().to_string());
        assert_eq!(endpoints, ["127.0.0.1:7001", "[::1]:7002", "unix:/run/exec.sock"]);
        assert_eq!(environment.downloads, "/downloads");
        assert_eq!(environment.idle_timeout, Duration::from_secs(90));
        assert_eq!(environment.log_filter.as_deref(), Some("debug"));
        assert_eq!(environment.log_file, Some("/log".into()));
    }

    #[test]
    fn a_relative_home_becomes_absolute() {
        let environment = resolve(&[("VX_HOME", "state")]).unwrap();
        assert!(environment.home.root().is_absolute());
        assert!(environment.home.root().ends_with("state"));
    }

    #[test]
    fn misspelt_variables_are_reported() {
        let environment = resolve(&[("HOME", "/h"), ("VX_HOEM", "/x"), ("VX_DEAMON", "1"), ("OTHER", "x")]).unwrap();
        assert_eq!(environment.unknown, ["VX_DEAMON", "VX_HOEM"]);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let message = |variables: &[(&str, &str)]| resolve(variables).unwrap_err().to_string();
        assert!(message(&[]).contains("VX_HOME"));
        assert!(message(&[("HOME", "/h"), ("VX_CAS", "0.0.0.0:1")]).contains("VX_CAS"));
        assert!(message(&[("HOME", "/h"), ("VX_IDLE_TIMEOUT", "soon")]).starts_with("`VX_IDLE_TIMEOUT`"));
    }
}
