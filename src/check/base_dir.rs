//! Is t3's base directory there, and does it belong to who runs this?

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::check::advice::finding;
use crate::check::report::Finding;

/// Looks at the base directory; `None` is t3's own default. t3's command fails for anybody but its
/// owner (contract §1), and what root writes into it t3 could not change.
pub(super) fn look(base_dir: Option<&Path>) -> Result<String, Finding> {
    let Some(path) = base_dir else {
        return Ok("t3's own default".to_owned());
    };
    let name = path.display();
    let metadata = fs::metadata(path).map_err(|error| {
        let cure = "start t3 once, or name the directory of `t3 serve --base-dir` by T3CODE_HOME";
        finding(format!("{name}: {error}"), cure)
    })?;
    if !metadata.is_dir() {
        let cure = "name the directory of `t3 serve --base-dir` by T3CODE_HOME";
        return Err(finding(format!("{name} is no directory"), cure));
    }
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != own {
        return Err(finding(
            format!("{name} belongs to uid {owner}, this runs as uid {own}"),
            format!("run the dispatcher, and this, as uid {owner}, as t3 does"),
        ));
    }
    Ok(format!("{name}, of uid {owner}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_one_s_own_is_right_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("a writable directory");
        assert!(look(None).is_ok());
        assert!(look(Some(dir.path())).is_ok());
        let missing = look(Some(&dir.path().join("none"))).expect_err("not there");
        assert!(missing.cure.contains("T3CODE_HOME"));
        assert!(
            look(Some(&file))
                .expect_err("a file")
                .what
                .contains("no directory")
        );
    }

    #[test]
    fn another_s_directory_is_not_right() {
        let own = rustix::process::geteuid().as_raw();
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Only root can give one away; anybody else meets one of root's.
        let path = match own {
            0 => {
                std::os::unix::fs::chown(dir.path(), Some(12345), None).expect("root");
                dir.path()
            }
            _ => Path::new("/"),
        };
        let found = look(Some(path)).expect_err("another's");
        assert!(found.what.contains("belongs to uid"), "{found:?}");
    }
}
