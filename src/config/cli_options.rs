//! The options that say where the t3 CLI and t3's base directory are.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

/// Path of the t3 CLI in the stack; used if it is there and no other is set.
const STACK_BIN: &str = "/data/npm-global/bin/t3";

/// t3's base directory in the stack; used if it is there and no other is set.
const STACK_HOME: &str = "/data/t3";

/// The t3 CLI and its base directory.
#[derive(Debug, Clone, Args)]
pub struct CliConfig {
    /// The t3 CLI; its folder is put first in the child's PATH [default: /data/npm-global/bin/t3 if
    /// it is there, else `t3` on PATH, else ~/.local/bin/t3, else the newest in t3's base directory].
    #[arg(long, env = "T3_BIN", value_name = "PATH")]
    t3_bin: Option<PathBuf>,

    /// t3's base directory [default: /data/t3 if it is there, else t3's own default].
    #[arg(long, env = "T3CODE_HOME", value_name = "DIR")]
    t3_home: Option<PathBuf>,

    /// Is it that of one person among several? No option says so.
    #[arg(skip)]
    is_of_row: bool,
}

impl CliConfig {
    /// The t3 CLI of one person among several: of what is set, or found, for one t3 it has nothing but the
    /// program. It may be run where there is a base directory.
    pub fn of_row(t3_bin: Option<PathBuf>, base_dir: Option<PathBuf>) -> Self {
        Self {
            t3_bin,
            t3_home: base_dir,
            is_of_row: true,
        }
    }

    /// Is it that of one person among several?
    pub fn is_of_row(&self) -> bool {
        self.is_of_row
    }

    /// May it be run? Without a base directory it would act on somebody else's.
    pub fn may_run(&self) -> bool {
        !self.is_of_row || self.t3_home.is_some()
    }

    /// The options of it that are set.
    pub(super) fn set_options(&self) -> Vec<&'static str> {
        let options = [("T3_BIN", &self.t3_bin), ("T3CODE_HOME", &self.t3_home)];
        let set = options.iter().filter(|(_, value)| value.is_some());
        set.map(|(name, _)| *name).collect()
    }

    /// The program to start, looked up at each call: an installation may have ended meanwhile. `t3` if
    /// there is none.
    pub fn program(&self) -> PathBuf {
        let first = self.found().into_iter().next();
        first.unwrap_or_else(|| "t3".into())
    }

    /// Every t3 CLI that is there, the one to start first: the one that is set and no other, or what npm
    /// and t3's installer have left. Of an npm install of before and a newer executable both may be there,
    /// and only the one of t3's own version uses t3's own database (contract §1).
    pub fn found(&self) -> Vec<PathBuf> {
        if let Some(set) = &self.t3_bin {
            return vec![set.clone()];
        }
        let (path, home) = (std::env::var_os("PATH"), std::env::home_dir());
        let base_dir = self.base_dir();
        let base_dir = base_dir.or_else(|| home.as_deref().map(|home| home.join(".t3")));
        // Nothing is run out of a folder that is another user's.
        let base_dir = base_dir.filter(|_| !self.is_of_row);
        let mut found = Vec::new();
        found.extend(Some(PathBuf::from(STACK_BIN)).filter(|stack| stack.is_file()));
        found.extend(places(path.as_deref(), home.as_deref()).filter(|place| is_program(place)));
        found.extend(base_dir.and_then(|base_dir| newest_runtime(&base_dir)));
        without_repetition(found)
    }

    /// The t3 CLIs that are there and are not started, for people to read.
    pub fn others(&self) -> String {
        let found = self.found();
        let others = found.iter().skip(1).map(|path| path.display().to_string());
        others.collect::<Vec<_>>().join(", ")
    }

    /// The value of `--base-dir`, or `None` for t3's own default.
    pub fn base_dir(&self) -> Option<PathBuf> {
        let stack = || Some(PathBuf::from(STACK_HOME)).filter(|stack| stack.is_dir());
        let set = self.t3_home.clone();
        set.or_else(|| if self.is_of_row { None } else { stack() })
    }
}

/// Where npm and t3's installer put a t3 CLI.
fn places(path: Option<&OsStr>, home: Option<&Path>) -> impl Iterator<Item = PathBuf> {
    let folders: Vec<_> = path
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    let of_installer = home.map(|home| home.join(".local/bin"));
    let folders = folders.into_iter().chain(of_installer);
    folders.map(|folder| folder.join("t3"))
}

/// The runtime that t3's installer put into its base directory last.
fn newest_runtime(base_dir: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(base_dir.join("runtime/versions")).ok()?;
    let programs = versions.flatten().map(|version| version.path().join("t3"));
    let programs = programs.filter(|program| is_program(program));
    programs.max_by_key(|program| program.metadata().and_then(|found| found.modified()).ok())
}

fn is_program(path: &Path) -> bool {
    let found = path.metadata();
    found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Without those that are another one's link.
fn without_repetition(mut found: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = Vec::new();
    found.retain(|path| {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let is_new = !seen.contains(&real);
        seen.push(real);
        is_new
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes an executable file at `path`.
    fn install(path: &Path) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, "#!/bin/sh\n").expect("writable");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("its owner");
    }

    #[test]
    fn the_first_of_several_runs_and_a_link_to_it_is_no_further_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |path: &str| dir.path().join(path);
        let [npm, newer] = ["npm/t3", "home/.local/bin/t3"].map(at);
        let [first, second] =
            ["0.0.45", "0.0.46"].map(|v| at(&format!("t3/runtime/versions/{v}/t3")));
        for program in [&npm, &first, &second] {
            install(program);
        }
        let hour = std::time::Duration::from_secs(3600);
        let file = std::fs::File::open(&first).expect("a file");
        file.set_modified(std::time::SystemTime::now() - hour)
            .expect("its owner");
        std::fs::create_dir_all(at("home/.local/bin")).expect("writable");
        std::os::unix::fs::symlink(&second, &newer).expect("writable");
        std::fs::create_dir_all(at("none")).expect("writable");
        std::fs::write(at("none/t3"), "not executable").expect("writable");

        let path = std::env::join_paths([at("none"), at("npm"), at("npm")]).expect("plain");
        let home = at("home");
        let found: Vec<_> = places(Some(&path), Some(&home))
            .filter(|place| is_program(place))
            .collect();
        assert_eq!(found, [npm.clone(), npm.clone(), newer.clone()]);
        let newest = newest_runtime(&at("t3"));
        assert_eq!(newest.as_ref(), Some(&second));
        let all = found.into_iter().chain(newest).collect();
        assert_eq!(without_repetition(all), [npm, newer]);
        assert_eq!(newest_runtime(&at("none")), None);
    }

    /// Whoever can write into a base directory would otherwise run as the dispatcher.
    #[test]
    fn nothing_is_run_out_of_a_person_s_base_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let own = dir.path().join("runtime/versions/0.0.46/t3");
        install(&own);
        let of = |is_of_row| CliConfig {
            t3_bin: None,
            t3_home: Some(dir.path().to_owned()),
            is_of_row,
        };
        assert!(of(false).found().contains(&own));
        assert!(!of(true).found().contains(&own));
        assert_eq!(of(true).base_dir().as_deref(), Some(dir.path()));
        assert!(of(true).may_run());
        let without = CliConfig::of_row(None, None);
        assert!(without.base_dir().is_none() && !without.may_run());
    }

    #[test]
    fn one_that_is_set_is_the_only_one() {
        let set = CliConfig {
            t3_bin: Some("/no/such/t3".into()),
            t3_home: None,
            is_of_row: false,
        };
        assert_eq!(set.found(), [PathBuf::from("/no/such/t3")]);
        assert_eq!(set.program(), PathBuf::from("/no/such/t3"));
    }
}
