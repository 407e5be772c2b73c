//! A child process that does not outlive its owner.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, now};

/// Longest time for an orderly end; then it is killed.
const STOP: Duration = Duration::from_secs(10);

/// A running program whose output goes to a file.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    log: PathBuf,
    /// What ends it without leaving anything behind.
    stop: Signal,
}

impl Child {
    pub(crate) fn start(mut command: Command, log: &Path, stop: Signal) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(log).map_err(Error::Folder)?;
        let both = file.try_clone().map_err(Error::Folder)?;
        command.stdin(Stdio::null()).stdout(both).stderr(file);
        let process = command.spawn().map_err(|error| failed(&command, error.to_string()))?;
        Ok(Self { process, log: log.to_owned(), stop })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Ends it without telling it before.
    pub(crate) fn kill(&mut self) {
        // Of one that has ended already both say so, which is as good.
        self.process.kill().ok();
        self.process.wait().ok();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let told = !self.has_ended() && pid.is_some_and(|pid| kill_process(pid, self.stop).is_ok());
        let began = now();
        while told && !self.has_ended() && began.elapsed() < STOP {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }
}

/// Runs a program to its end; what it wrote.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command.output().map_err(|error| failed(command, error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(failed(command, text(&output.stderr).trim_end().to_owned()))
    }
}

fn failed(command: &Command, said: String) -> Error {
    Error::Program { program: command.get_program().to_string_lossy().into_owned(), said }
}
