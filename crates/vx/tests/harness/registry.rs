//! A sparse registry on a loopback port, as Cargo's documentation describes it: an index, archives, and a token where one
//! is asked for. It counts what it is asked for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use super::harness::files;

/// A registry; it serves for as long as it lives.
pub(crate) struct TestRegistry {
    address: String,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

#[derive(Default)]
struct State {
    token: Option<String>,
    files: BTreeMap<String, Vec<u8>>,
    requests: Vec<String>,
}

/// A package in the index.
pub(crate) struct Published {
    name: String,
    version: String,
    archive: Vec<u8>,
    /// SHA-256 of its archive.
    pub(crate) checksum: String,
}

impl TestRegistry {
    /// An empty registry.
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
            .unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        runtime.spawn(serve(listener, state.clone()));
        let registry = Self {
            address,
            state,
            _runtime: runtime,
        };
        registry.configure(false);
        registry
    }

    /// An empty registry that answers only who has `token`.
    pub(crate) fn with_token(token: &str) -> Self {
        let registry = Self::start();
        registry.state.lock().unwrap().token = Some(token.to_owned());
        registry.configure(true);
        registry
    }

    fn configure(&self, needs_login: bool) {
        let address = &self.address;
        let config = format!("{{\"dl\":\"http://{address}/dl\",\"auth-required\":{needs_login}}}");
        self.serve("/index/config.json", config.into_bytes());
    }

    /// As Cargo's configuration names it.
    pub(crate) fn index(&self) -> String {
        format!("sparse+http://{}/index/", self.address)
    }

    /// Publishes a package: a library that depends on `dependencies` (names of packages of this registry, any version)
    /// and is made of `files`.
    pub(crate) fn publish(
        &self,
        name: &str,
        version: &str,
        dependencies: &[&str],
        files: &[(&str, &str)],
    ) -> Published {
        let of_manifest: String = dependencies
            .iter()
            .map(|name| {
                format!(
                    "[dependencies.{name}]\nversion = \"*\"\nregistry-index = \"{}\"\n",
                    self.index()
                )
            })
            .collect();
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n{of_manifest}");
        let archive = archive(&format!("{name}-{version}"), &manifest, files);
        let checksum = hex::encode(Sha256::digest(&archive));
        let of_index: Vec<String> = dependencies
            .iter()
            .map(|name| {
                format!(
                    "{{\"name\":\"{name}\",\"req\":\"*\",\"features\":[],\"optional\":false,\"default_features\":true,\
                     \"target\":null,\"kind\":\"normal\"}}"
                )
            })
            .collect();
        let line = format!(
            "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[{}],\"cksum\":\"{checksum}\",\"features\":{{}},\
             \"yanked\":false}}\n",
            of_index.join(",")
        );
        self.serve(&format!("/index/{}", index_path(name)), line.into_bytes());
        self.serve(&format!("/dl/{name}/{version}/download"), archive.clone());
        Published {
            name: name.to_owned(),
            version: version.to_owned(),
            archive,
            checksum,
        }
    }

    fn serve(&self, path: &str, content: Vec<u8>) {
        self.state.lock().unwrap().files.insert(path.to_owned(), content);
    }

    /// How often this archive was asked for.
    pub(crate) fn downloads(&self, name: &str) -> usize {
        let prefix = format!("/dl/{name}/");
        let state = self.state.lock().unwrap();
        state.requests.iter().filter(|path| path.starts_with(&prefix)).count()
    }

    /// How often anything was asked for.
    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }
}

impl Published {
    /// Puts the package into a directory as a local registry of Cargo's has it.
    pub(crate) fn put_into(&self, directory: &Utf8Path) {
        let Self {
            name,
            version,
            checksum,
            archive,
        } = self;
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join(format!("{name}-{version}.crate")), archive).unwrap();
        let line = format!(
            "{{\"name\":\"{name}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{checksum}\",\"features\":{{}},\
             \"yanked\":false}}\n"
        );
        files::write(&directory.join("index").join(index_path(name)), &line);
    }
}

/// Where the index has a package: `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcd`.
fn index_path(name: &str) -> Utf8PathBuf {
    match name.len() {
        length @ (1 | 2) => format!("{length}/{name}").into(),
        3 => format!("3/{}/{name}", &name[..1]).into(),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]).into(),
    }
}

fn archive(top: &str, manifest: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (path, text) in files.iter().chain(&[("Cargo.toml", manifest)]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive
            .append_data(&mut header, format!("{top}/{path}"), text.as_bytes())
            .unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

async fn serve(listener: tokio::net::TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        let answer = hyper::service::service_fn(move |request| {
            let answer = answer(&state, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(async move {
            // A client that goes away is no matter.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

fn answer(state: &Mutex<State>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut state = state.lock().unwrap();
    let path = request.uri().path().to_owned();
    let said = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let is_known = state.token.is_none() || said == state.token.as_deref();
    let answer = match state.files.get(&path) {
        _ if !is_known => Err(StatusCode::UNAUTHORIZED),
        Some(content) => Ok(Bytes::from(content.clone())),
        None => Err(StatusCode::NOT_FOUND),
    };
    state.requests.push(path);
    match answer {
        Ok(content) => Response::new(Full::new(content)),
        Err(status) => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = status;
            let challenge = hyper::header::HeaderValue::from_static("Cargo login_url=\"http://localhost/\"");
            response.headers_mut().insert("www-authenticate", challenge);
            response
        }
    }
}
