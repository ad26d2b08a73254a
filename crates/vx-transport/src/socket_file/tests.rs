//! Sockets are recovered when nobody answers, and nothing else is ever removed.

use super::*;

struct SocketDirectory {
    directory: tempfile::TempDir,
}

impl SocketDirectory {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.directory.path()).unwrap().join("run/x.sock")
    }
}

#[tokio::test]
async fn the_socket_is_private_and_goes_with_its_owner() {
    let sockets = SocketDirectory::new();
    let path = sockets.path();
    let (_listener, file) = bind(&path).unwrap();
    let mode = |path: &Utf8Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    drop(file);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_that_nobody_answers_is_replaced() {
    let sockets = SocketDirectory::new();
    let path = sockets.path();
    let (listener, file) = bind(&path).unwrap();
    // As after a kill: the process is gone, the file is there.
    drop(listener);
    let (_second, _second_file) = bind(&path).unwrap();
    drop(file);
    assert!(path.exists(), "the first owner removed the socket of the second");
}

#[tokio::test]
async fn a_socket_that_answers_is_left_alone() {
    let sockets = SocketDirectory::new();
    let (_listener, _file) = bind(&sockets.path()).unwrap();
    assert!(matches!(bind(&sockets.path()), Err(BindError::InUse { .. })));
    assert!(std::os::unix::net::UnixStream::connect(sockets.path()).is_ok());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let sockets = SocketDirectory::new();
    let path = sockets.path();
    drop(bind(&path).unwrap());
    fs::write(&path, "precious").unwrap();
    assert!(matches!(bind(&path), Err(BindError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_directory_that_others_may_enter_is_refused() {
    let sockets = SocketDirectory::new();
    let directory = sockets.path().parent().unwrap().to_owned();
    fs::create_dir(&directory).unwrap();
    for mode in [0o755, 0o710, 0o701] {
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let refused = bind(&sockets.path()).unwrap_err();
        assert!(
            matches!(refused, BindError::DirectoryExposed { mode: found, .. } if found == mode),
            "{refused}"
        );
    }
}

#[test]
fn of_many_that_start_at_once_one_listens() {
    let sockets = SocketDirectory::new();
    let path = sockets.path();
    // A stale one lies there, which all of them find.
    create_private_directory(path.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let barrier = std::sync::Barrier::new(16);
    let bound: Vec<_> = std::thread::scope(|scope| {
        let start = || {
            let _entered = runtime.enter();
            barrier.wait();
            bind(&path)
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(bound.iter().filter(|bound| bound.is_ok()).count(), 1);
    let others = bound.iter().filter_map(|bound| bound.as_ref().err());
    others.for_each(|error| assert!(matches!(error, BindError::InUse { .. }), "{error}"));
}
