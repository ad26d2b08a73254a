//! How paths that derive from the place of a workspace are recognised in a file: by texts that are counted in it.

/// Texts to count in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Traces {
    /// The path of the workspace; what lies beside it (`CARGO_MANIFEST_DIR/../x`) where something does; then what lies there
    /// and is the same for every workspace.
    pub(super) texts: Vec<String>,
    has_beside: bool,
}

impl Traces {
    /// Those of the workspace at this path. Paths that begin with one of `known` tell nothing of it.
    ///
    /// Beside it counts what lies in the directory of two names above it, as the users' have them (`/home/ada`); further
    /// up, too much lies that has nothing to do with it.
    pub(super) fn of(workspace: &str, known: &[&str]) -> Self {
        let ends = workspace.match_indices('/').skip(1).map(|(end, _)| end + 1);
        let above: Vec<&str> = ends.map(|end| &workspace[..end]).collect();
        let beside = above.get(1).or(above.first()).copied();
        let mut texts = vec![workspace.to_owned()];
        texts.extend(beside.map(str::to_owned));
        let is_there = |path: &&&str| beside.is_some_and(|beside| path.starts_with(beside));
        let is_below = |path: &str, other: &str| path != other && path.starts_with(other);
        let outermost = |path: &&&str| !known.iter().any(|other| is_below(path, other));
        let known = known.iter().filter(is_there).filter(outermost);
        texts.extend(known.map(|path| (*path).to_owned()));
        Self {
            texts,
            has_beside: beside.is_some(),
        }
    }

    /// Whether a path that derives from the place is in a file that has the texts so often.
    pub(super) fn are_in(&self, counts: &[u64]) -> bool {
        match counts {
            [workspace, beside, known @ ..] if self.has_beside => *workspace > 0 || *beside > known.iter().sum(),
            [workspace, ..] => *workspace > 0,
            [] => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_in(traces: &Traces, content: &str) -> bool {
        let counts: Vec<u64> = traces
            .texts
            .iter()
            .map(|text| content.matches(text.as_str()).count() as u64)
            .collect();
        traces.are_in(&counts)
    }

    #[test]
    fn a_workspace_is_found_by_its_place_and_by_what_lies_beside_it() {
        let traces = Traces::of(
            "/home/ada/src/app",
            &["/home/ada/.vx", "/home/ada/.vx/toolchain", "/usr"],
        );
        for content in [
            "at /home/ada/src/app/x",
            "/home/ada/src/app",
            "/home/ada/src/lib.rs",
            "/home/ada/.vx /home/ada/x",
        ] {
            assert!(are_in(&traces, content), "{content}");
        }
        for content in [
            "",
            "/home/eve",
            "/home/ada/.vx/toolchain/lib /home/ada/.vx/out",
            "/usr/lib",
            "/home/ada",
        ] {
            assert!(!are_in(&traces, content), "{content}");
        }
    }

    #[test]
    fn a_workspace_near_the_root_is_found_too() {
        assert_eq!(Traces::of("/home/ada", &[]).texts, ["/home/ada", "/home/"]);
        let traces = Traces::of("/work", &["/opt/rust"]);
        assert!(are_in(&traces, "/work/x"));
        assert!(!are_in(&traces, "/opt/rust"));
    }
}
