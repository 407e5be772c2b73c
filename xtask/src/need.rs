//! What a suite needs from the machine. As root on Debian it is installed; otherwise it is named.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, process};

/// A program, how to see that it is there, and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub name: &'static str,
    probe: &'static [&'static str],
    package: &'static str,
}

pub(crate) const CXX: Need = Need { name: "c++", probe: &["c++", "--version"], package: "g++" };
pub(crate) const GIT: Need = Need { name: "git", probe: &["git", "--version"], package: "git" };
pub(crate) const NODE: Need = Need { name: "node", probe: &["node", "--version"], package: "nodejs" };
pub(crate) const NPM: Need = Need { name: "npm", probe: &["npm", "--version"], package: "npm" };
pub(crate) const CHROMIUM: Need =
    Need { name: "chromium", probe: &["chromium", "--version"], package: "chromium" };
pub(crate) const PYTHON: Need =
    Need { name: "python3", probe: &["python3", "--version"], package: "python3" };
pub(crate) const PYTHON_VENV: Need = Need {
    name: "python3 -m venv",
    probe: &["python3", "-c", "import venv, ensurepip"],
    package: "python3-venv",
};
pub(crate) const JAVA: Need =
    Need { name: "javac", probe: &["javac", "-version"], package: "default-jdk-headless" };
pub(crate) const MAVEN: Need = Need { name: "mvn", probe: &["mvn", "--version"], package: "maven" };
pub(crate) const GO: Need = Need { name: "go", probe: &["go", "version"], package: "golang-go" };
// Debian keeps the server's programs out of the path, and so does it for whoever is not root.
pub(crate) const POSTGRES: Need = Need {
    name: "postgresql",
    probe: &["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb && psql --version"],
    package: "postgresql",
};
pub(crate) const MARIADB: Need = Need {
    name: "mariadb-server",
    probe: &["sh", "-c", "test -x /usr/sbin/mariadbd && command -v mariadb-install-db && mariadb --version"],
    package: "mariadb-server",
};

/// Makes every need available before the first suite starts, so that a long run does not end at its last step.
///
/// # Errors
/// Something is missing and cannot be installed here; the sentence names all of it.
pub(crate) fn ensure(needs: &[Need]) -> Outcome {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let names = list(&missing, |need| need.name);
    let packages: BTreeSet<_> = missing.iter().map(|need| need.package).collect();
    let by_hand = format!("apt-get install {}", packages.iter().copied().collect::<Vec<_>>().join(" "));
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("missing: {names}. Install with `{by_hand}`, or run as root on Debian"));
    }
    println!("installing {names}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(arguments);
        process::stream(&mut command)
    };
    apt(&["update"])?;
    let packages: Vec<_> = packages.into_iter().collect();
    apt(&[&["install", "--no-install-recommends"], packages.as_slice()].concat())?;
    match self::missing(needs) {
        still if still.is_empty() => Ok(()),
        still => Err(format!("installed, but still missing: {}", list(&still, |need| need.name))),
    }
}

fn missing(needs: &[Need]) -> Vec<Need> {
    let mut found: Vec<Need> = needs.iter().copied().filter(|need| !works(need)).collect();
    found.sort_by_key(|need| need.name);
    found.dedup_by_key(|need| need.name);
    found
}

fn works(need: &Need) -> bool {
    let Some((program, arguments)) = need.probe.split_first() else { return false };
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn list(needs: &[Need], word: fn(&Need) -> &str) -> String {
    needs.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn is_root() -> bool {
    process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_once() {
        let absent = Need { name: "absent", probe: &["no-such-program-here"], package: "absent" };
        let present = Need { name: "sh", probe: &["sh", "-c", "true"], package: "dash" };
        let found = missing(&[absent, present, absent]);
        assert_eq!(list(&found, |need| need.name), "absent");
    }
}
