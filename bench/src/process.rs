//! What the kernel says of a server process and of this machine.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context, Result};

/// Clock ticks per second in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds that a process has used, over all its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    user: f64,
    system: f64,
}

impl Cpu {
    /// User and kernel mode together.
    pub(crate) fn seconds(self) -> f64 {
        self.user + self.system
    }
}

/// # Errors
/// When the process is gone.
pub(crate) fn cpu(pid: u32) -> Result<Cpu> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server process is gone")?;
    cpu_of(&stat).context("/proc/PID/stat has another form")
}

/// The same with all its children and theirs, those that have ended included: of PostgreSQL, which has a process for each connection.
///
/// # Errors
/// When the process is gone.
pub(crate) fn tree_cpu(root: u32) -> Result<Cpu> {
    let stats: HashMap<u32, String> = fs::read_dir("/proc")?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, fs::read_to_string(entry.path().join("stat")).ok()?))
        })
        .collect();
    tree_of(&stats, root).context("the server process is gone, or /proc/PID/stat has another form")
}

fn tree_of(stats: &HashMap<u32, String>, root: u32) -> Option<Cpu> {
    let mut sum = Cpu::default();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        let stat = stats.get(&parent)?;
        for cpu in [cpu_of(stat)?, cpu_of_ended(stat)?] {
            sum = Cpu { user: sum.user + cpu.user, system: sum.system + cpu.system };
        }
        open.extend(stats.iter().filter(|(_, stat)| parent_of(stat) == Some(parent)).map(|(pid, _)| *pid));
    }
    Some(sum)
}

/// Watches what anybody but a server, which may be several processes, and this program takes from the machine.
#[derive(Debug)]
pub(crate) struct Others {
    servers: Vec<u32>,
    begin: f64,
}

impl Others {
    /// # Errors
    /// When the server is gone.
    pub(crate) fn watch(servers: &[u32]) -> Result<Self> {
        Ok(Self { servers: servers.to_vec(), begin: Self::seconds(servers)? })
    }

    /// CPU seconds that others have used since then, at least: their kernel time cannot be told from that of the
    /// loopback interface and is left out.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn used(&self) -> Result<f64> {
        Ok((Self::seconds(&self.servers)? - self.begin).max(0.0))
    }

    fn seconds(servers: &[u32]) -> Result<f64> {
        let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        let machine = user_and_stolen(&stat).context("/proc/stat has another form")?;
        let servers: f64 = servers.iter().map(|server| Ok(tree_cpu(*server)?.user)).sum::<Result<f64>>()?;
        Ok(machine - servers - cpu(std::process::id())?.user)
    }
}

/// Resident memory of a process, in MiB.
///
/// # Errors
/// When the process is gone.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the server process is gone")?;
    kib_of(&status, "VmRSS:").map(|kib| kib as f64 / 1024.0).context("/proc/PID/status has no VmRSS")
}

/// Flushes of the cache of the disk under this path since the machine was started; none where the kernel does not say.
pub(crate) fn flushes(path: &std::path::Path) -> Option<u64> {
    let device = fs::metadata(path).ok()?.dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    flushes_of(&stat)
}

/// The 16th field of a block device's statistics.
fn flushes_of(stat: &str) -> Option<u64> {
    stat.split_ascii_whitespace().nth(15)?.parse().ok()
}

/// One line that names this machine: processor, cores, memory, kernel.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory, kernel) =
        (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let gib = kib_of(&memory, "MemTotal:").unwrap_or(0) as f64 / (1024.0 * 1024.0);
    format!(
        "{}, {cores} cores, {gib:.0} GiB, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim()
    )
}

/// utime and stime: fields 14 and 15.
fn cpu_of(stat: &str) -> Option<Cpu> {
    seconds_at(stat, 14)
}

/// Of children that have ended, and were waited for: cutime and cstime.
fn cpu_of_ended(stat: &str) -> Option<Cpu> {
    seconds_at(stat, 16)
}

fn seconds_at(stat: &str, field: usize) -> Option<Cpu> {
    let mut seconds = fields(stat)?.skip(field - FIRST).map(seconds_of);
    Some(Cpu { user: seconds.next()??, system: seconds.next()?? })
}

fn parent_of(stat: &str) -> Option<u32> {
    fields(stat)?.nth(4 - FIRST)?.parse().ok()
}

/// Number of the first field behind the command, which may contain spaces and parentheses.
const FIRST: usize = 3;

/// The fields from there on.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

/// The machine's CPU seconds in user mode (also niced), and those that a hypervisor took away.
fn user_and_stolen(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().collect();
    [0, 1, 7].into_iter().map(|at| fields.get(at).copied().and_then(seconds_of)).sum()
}

fn seconds_of(ticks: &str) -> Option<f64> {
    ticks.parse::<u64>().ok().map(|ticks| ticks as f64 / TICKS_PER_SECOND)
}

fn kib_of(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_strange_command() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 500 0 0 0 120 30 0 0 20 0 9 0 100 1000 200";
        assert_eq!(cpu_of(stat), Some(Cpu { user: 1.2, system: 0.3 }));
        assert_eq!(cpu_of("42 (a) S 1"), None);
    }

    #[test]
    fn a_tree_has_the_children_that_are_and_that_were() {
        let stat = |parent: u32, user: u32, ended: u32| {
            format!("1 (a) S {parent} 1 1 0 -1 0 0 0 0 0 {user} 10 {ended} 20 20 0 1")
        };
        let stats =
            [(7, stat(1, 100, 50)), (8, stat(7, 200, 0)), (9, stat(8, 300, 0)), (10, stat(1, 400, 0))];
        let stats: HashMap<u32, String> = stats.into_iter().collect();
        let cpu = tree_of(&stats, 7).unwrap();
        assert_eq!(((cpu.user * 100.0).round(), (cpu.system * 100.0).round()), (650.0, 90.0));
        assert_eq!(tree_of(&stats, 11), None);
    }

    #[test]
    fn the_machine_counts_user_nice_and_stolen() {
        assert_eq!(user_and_stolen("cpu  100 20 5 900 1 2 3 30 0 0\ncpu0 1\n"), Some(1.5));
        assert_eq!(user_and_stolen("cpu  100 20\n"), None);
    }

    #[test]
    fn flushes_are_the_sixteenth_field() {
        assert_eq!(flushes_of("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"), Some(16));
        assert_eq!(flushes_of("1 2 3 4 5 6 7 8 9 10 11"), None, "as kernels before 5.5 say it");
    }

    #[test]
    fn memory_is_found_by_its_key() {
        assert_eq!(kib_of("VmHWM:\t  300 kB\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048));
        assert_eq!(kib_of("VmHWM:\t300 kB\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        assert!(cpu(pid).unwrap().seconds() >= 0.0);
        assert!(resident_mib(pid).unwrap() > 0.1);
    }
}
