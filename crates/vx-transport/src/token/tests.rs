//! One token for a home, for its owner alone, whole or not at all.

use std::sync::Barrier;

use super::*;

fn token_path() -> (tempfile::TempDir, Utf8PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(directory.path()).unwrap().join("run/token");
    (directory, path)
}

#[test]
fn all_who_start_at_once_get_the_same() {
    let (_directory, path) = token_path();
    let barrier = Barrier::new(16);
    let tokens: Vec<[u8; SIZE]> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            Token::load_or_create(&path).unwrap().0
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(fs::read(&path).unwrap(), tokens[0]);
    // Nothing else is left.
    assert_eq!(path.parent().unwrap().read_dir_utf8().unwrap().count(), 1);
}

#[test]
fn two_homes_have_two() {
    let ((_one, one), (_two, two)) = (token_path(), token_path());
    assert_ne!(
        Token::load_or_create(&one).unwrap().0,
        Token::load_or_create(&two).unwrap().0
    );
}

#[test]
fn none_is_made_by_reading() {
    let (_directory, path) = token_path();
    assert!(matches!(Token::load(&path), Err(TokenError::Absent { .. })));
    assert!(!path.exists());
}

#[test]
fn what_has_not_its_size_is_refused_and_left_alone() {
    for size in [0, SIZE - 1, SIZE + 1] {
        let (_directory, path) = token_path();
        Token::load_or_create(&path).unwrap();
        fs::write(&path, vec![1; size]).unwrap();
        for loaded in [Token::load(&path), Token::load_or_create(&path)] {
            assert!(matches!(loaded, Err(TokenError::Malformed { .. })), "{size}");
        }
        assert_eq!(fs::read(&path).unwrap().len(), size);
    }
}

#[cfg(unix)]
#[test]
fn it_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, path) = token_path();
    Token::load_or_create(&path).unwrap();
    let mode = |path: &Utf8Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);

    for exposed in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(exposed)).unwrap();
        let error = Token::load_or_create(&path).unwrap_err();
        assert!(
            matches!(error, TokenError::Exposed { mode, .. } if mode == exposed),
            "{error}"
        );
    }
}

#[test]
fn a_code_depends_on_every_part_and_on_their_borders() {
    let (_directory, path) = token_path();
    let token = Token::load_or_create(&path).unwrap();
    let code = token.mac(&[b"ab", b"c"]);
    assert!(token.verify(&[b"ab", b"c"], &code));
    for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"ab", b"d"]] {
        assert!(!token.verify(other, &code), "{other:?}");
    }
}

#[test]
fn it_is_not_shown() {
    let (_directory, path) = token_path();
    assert_eq!(format!("{:?}", Token::load_or_create(&path).unwrap()), "Token(..)");
}
