//! Checkpoints in files.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use relsim_machine::{Checkpoint, Identity, Machine, RestoreError, WriteError};
use tempfile::Builder;

use crate::args::{CheckpointArgs, NetPeer, RunArgs};
use crate::console::InputSource;
use crate::disk::Writes;
use crate::error::CliError;
use crate::payload;
use crate::plan::Plan;

/// What the run of `plan` is a run of; `Err` with a reason if it can have no checkpoints.
///
/// # Errors
/// The reason.
pub fn identity(args: &RunArgs, plan: &Plan) -> Result<Identity, String> {
    let mut identity = Identity::new(&plan.config);
    for (what, sha256) in &plan.software.inputs {
        identity.add(what, format_args!("SHA-256 {sha256}"));
    }
    for (number, disk) in plan.disks.iter().enumerate() {
        let writes = match disk.writes {
            Writes::CopyOnWrite => "copy on write",
            Writes::ReadOnly => "read only",
            Writes::Through => {
                let name = disk.path.display();
                return Err(format!("what the guest writes to the disk {name} is in no checkpoint"));
            }
        };
        identity.add(
            format_args!("disk {number}"),
            format_args!("{writes}, {} bytes, SHA-256 {}", disk.size_bytes, disk.sha256),
        );
    }
    for (number, peer) in args.net.iter().enumerate() {
        let name = match peer {
            NetPeer::Echo => "echo",
            NetPeer::Loop => "loop",
            NetPeer::Load => "load",
        };
        identity.add(format_args!("network device {number}"), name);
    }
    identity.add("virtio console", if args.virtio_console { "there" } else { "none" });
    if plan.input_source == InputSource::Terminal {
        identity.add("console input", "a terminal");
    } else {
        let input = plan.given().input;
        let sha256 = input.sha256.map_or(String::new(), |sha256| format!(", SHA-256 {sha256}"));
        identity.add("console input", format_args!("{} bytes{sha256}", input.bytes));
    }
    identity.add_payload(&plan.software.payload);
    Ok(identity)
}

/// Refuses options of `relsim run` that would come to nothing in `command`: a run that goes back and forth has no single
/// end.
///
/// # Errors
/// [`CliError::NotHeeded`].
pub fn without_end(command: &'static str, run: &RunArgs) -> Result<(), CliError> {
    let given = [
        ("--stats", run.stats.is_some()),
        ("--commit-log", run.commit_log.is_some()),
        ("--trace", run.trace.is_some()),
        ("--signature", run.signature.is_some()),
        ("--breakdown", run.breakdown),
        ("--region-name", !run.region_name.is_empty()),
    ];
    let option = given.into_iter().find_map(|(option, given)| given.then_some(option));
    option.map_or(Ok(()), |option| Err(CliError::NotHeeded { command, option }))
}

impl CheckpointArgs {
    /// What the run of `plan` is a run of, if they ask for checkpoints.
    ///
    /// # Errors
    /// [`CliError::NoCheckpoint`] if it can have none.
    pub fn identity(&self, args: &RunArgs, plan: &Plan) -> Result<Option<Identity>, CliError> {
        let wanted = self.restore.is_some() || !self.checkpoint_at.is_empty();
        let identity = wanted.then(|| identity(args, plan)).transpose();
        identity.map_err(|message| CliError::NoCheckpoint { message })
    }
}

/// Writes the machine as it is now to the file at `path`, all or nothing, and gives the size in bytes.
///
/// # Errors
/// [`CliError::Write`].
pub fn write(machine: &mut Machine, identity: &Identity, path: &Path) -> Result<u64, CliError> {
    write_checkpoint(&machine.checkpoint(), identity, path).map_err(|source| CliError::Write {
        what: "checkpoint",
        path: path.into(),
        source,
    })
}

fn write_checkpoint(checkpoint: &Checkpoint, identity: &Identity, path: &Path) -> std::io::Result<u64> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any file that is created: the umask takes what it takes.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(directory.unwrap_or(Path::new(".")))?;
    let mut buffered = BufWriter::with_capacity(1 << 16, file);
    checkpoint.write(identity, &mut buffered).map_err(|error| match error {
        WriteError::Io(error) => error,
        error => std::io::Error::other(error.to_string()),
    })?;
    buffered.flush()?;
    let file = buffered.into_inner().map_err(|error| error.into_error())?;
    file.as_file().sync_all()?;
    let bytes = file.as_file().metadata()?.len();
    file.persist(path).map_err(|error| error.error)?;
    Ok(bytes)
}

/// Reads the file at `path` as a checkpoint that `machine` can go on from.
///
/// # Errors
/// [`CliError::Read`], [`CliError::Checkpoint`].
pub fn read(machine: &Machine, identity: &Identity, path: &Path) -> Result<Checkpoint, CliError> {
    let bytes = payload::read("checkpoint", path)?;
    Checkpoint::read(&bytes, identity, machine)
        .map_err(|error| CliError::Checkpoint { path: path.into(), message: error.to_string() })
}

/// Makes `machine` go on from where `args` say, and gives the places at which checkpoints are written. `identity` is there if
/// they ask for any; `quiet`: nothing is said about what is written.
///
/// # Errors
/// What is wrong with the checkpoint.
pub fn begin(
    args: &CheckpointArgs,
    identity: Option<Identity>,
    machine: &mut Machine,
    quiet: bool,
) -> Result<Points, CliError> {
    if let (Some(path), Some(identity)) = (&args.restore, &identity) {
        let checkpoint = read(machine, identity, path)?;
        machine.restore(&checkpoint).map_err(|error| refused(path, &error))?;
    }
    let left: BTreeSet<u64> = args.checkpoint_at.iter().copied().collect();
    if let (Some(first), true) = (left.first(), args.restore.is_some())
        && *first <= machine.cycles()
    {
        let message = format!("cycle {first} has passed: the run goes on from cycle {}", machine.cycles());
        return Err(CliError::NoCheckpoint { message });
    }
    let several = left.len() > 1;
    let file = args.checkpoint.clone().unwrap_or_default();
    Ok(Points { identity, left, file, several, quiet })
}

/// An error with its cause, in a line.
pub fn said(error: &dyn std::error::Error) -> String {
    let cause = error.source().map_or(String::new(), |source| format!(": {source}"));
    format!("{error}{cause}")
}

/// That the checkpoint in `path` is none for the machine at hand.
pub fn refused(path: &Path, why: &RestoreError) -> CliError {
    CliError::Checkpoint { path: path.into(), message: why.to_string() }
}

/// Where a run writes checkpoints.
pub struct Points {
    identity: Option<Identity>,
    /// Core cycles that are still to come.
    left: BTreeSet<u64>,
    file: PathBuf,
    /// Of several, each has a file of its own.
    several: bool,
    quiet: bool,
}

impl Points {
    /// The next of them, if there is one.
    pub fn next(&self) -> Option<u64> {
        self.left.first().copied()
    }

    /// Writes those that `machine` has got to.
    ///
    /// # Errors
    /// [`CliError::Write`].
    pub fn reached(&mut self, machine: &mut Machine) -> Result<(), CliError> {
        while let Some(cycle) = self.next().filter(|&cycle| cycle <= machine.cycles()) {
            let Some(identity) = &self.identity else { break };
            let begun = Instant::now();
            let path = self.path(cycle);
            let bytes = write(machine, identity, &path)?;
            if !self.quiet {
                let (place, took) = (machine.cycles(), begun.elapsed().as_secs_f64());
                eprintln!(
                    "relsim: checkpoint at cycle {place}: {}, {} KiB, {took:.3} s",
                    path.display(),
                    bytes.div_ceil(1024)
                );
            }
            self.left.pop_first();
        }
        Ok(())
    }

    fn path(&self, cycle: u64) -> PathBuf {
        if !self.several {
            return self.file.clone();
        }
        let mut name = self.file.clone().into_os_string();
        name.push(format!(".{cycle}"));
        name.into()
    }

    /// Says which were not reached by the end of the run.
    pub fn finish(&self) {
        for cycle in &self.left {
            eprintln!("relsim: no checkpoint at cycle {cycle}: the run ended before");
        }
    }
}
