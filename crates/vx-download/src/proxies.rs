//! The proxies for requests, as Cargo finds them in the environment.

use reqwest::{NoProxy, Proxy};

/// The proxy settings; empty texts count as unset.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    all: Option<String>,
    /// Hosts that are reached directly.
    none: Option<String>,
}

impl Proxies {
    /// Those that an environment names.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| variable(name).or_else(|| variable(&name.to_uppercase()));
        Self {
            // In capitals, it could be a header `Proxy:` that a server passed to a program.
            http: variable("http_proxy"),
            https: either("https_proxy"),
            all: either("all_proxy"),
            none: either("no_proxy"),
        }
    }

    /// In the order in which they are tried for a server.
    pub(crate) fn each(&self) -> Result<Vec<Proxy>, reqwest::Error> {
        type Make = fn(&str) -> reqwest::Result<Proxy>;
        let all: [(&Option<String>, Make); 3] = [
            (&self.http, |address| Proxy::http(address)),
            (&self.https, |address| Proxy::https(address)),
            (&self.all, |address| Proxy::all(address)),
        ];
        let none = self.none.as_deref().and_then(NoProxy::from_string);
        let mut proxies = Vec::new();
        for (address, make) in all {
            if let Some(address) = address.as_deref().filter(|address| !address.is_empty()) {
                proxies.push(make(address)?.no_proxy(none.clone()));
            }
        }
        Ok(proxies)
    }
}
