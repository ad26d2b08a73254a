//! Paths as texts: made absolute, normalized and compared without reading the disk.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// `path`, relative to `base`, without `.` and `..` components; symbolic links are not followed.
pub fn normalize(base: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    let mut normal = Utf8PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                normal.pop();
            }
            component => normal.push(component),
        }
    }
    normal
}

/// The relative path from the directory `from` to `to`, both absolute and normalized: `a/b`, `../a`, or empty if they
/// are equal.
pub fn relative(from: &Utf8Path, to: &Utf8Path) -> String {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(common).map(|_| "..");
    let down = to.components().skip(common).map(|component| component.as_str());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn normal_paths() {
        let normal = |path: &str| normalize("/a/b".into(), path.into()).into_string();
        assert_eq!(normal("c/./d"), "/a/b/c/d");
        assert_eq!(normal("../c"), "/a/c");
        assert_eq!(normal("/x/../y"), "/y");
        assert_eq!(normal("../../../y"), "/y");
    }

    #[test]
    fn relative_paths() {
        assert_eq!(relative("/a/b".into(), "/a/b/c".into()), "c");
        assert_eq!(relative("/a/b".into(), "/a/c".into()), "../c");
        assert_eq!(relative("/a/b".into(), "/a/b".into()), "");
        assert_eq!(relative("/a/b".into(), "/a".into()), "..");
    }

    proptest! {
        #[test]
        fn relative_leads_there(from in "(/[ab]){0,4}", to in "(/[ab]){0,4}") {
            let (from, to) = (Utf8PathBuf::from(format!("/r{from}")), Utf8PathBuf::from(format!("/r{to}")));
            prop_assert_eq!(normalize(&from, relative(&from, &to).as_str().into()), to);
        }
    }
}
