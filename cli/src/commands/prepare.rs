//! From a case, as it is written, to the arguments of a run. The files that it names are not read yet.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use relsim_machine::{ConfigError, ParamError, TIMING_MODELS, Timing, platform};
use relsim_traces::baseline::file::{Case, Ending, FileError, Number, Raw, Spanned};
use sha2::{Digest, Sha256};

use crate::args::{MachineArgs, NetPeer, RunArgs};
use crate::disk::{DiskArg, Writes};
use crate::embedded::{self, Builtin};
use crate::error::CliError;
use crate::payload;
use crate::stats::hex;
use crate::units::{parse_number, parse_size};

/// Ways for a run to end that a case can expect beside an exit code.
const REASONS: &[&str] = &["reset", "cycle-limit", "instruction-limit", "dead", "stuck"];

/// Reads a file of cases, or of something else that has cases in it.
///
/// # Errors
/// [`CliError::Read`].
pub fn read(what: &'static str, path: &Path) -> Result<String, CliError> {
    let bytes = payload::read(what, path)?;
    String::from_utf8(bytes).map_err(|error| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error());
        CliError::Read { what, path: path.into(), source }
    })
}

/// What the files in `file` are relative to.
pub fn directory(file: &Path) -> &Path {
    // Not an empty path: files would then be looked for by names that `relsim run` gives a meaning.
    let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// A case that can be run.
pub struct Prepared<'a> {
    /// The case.
    pub case: &'a Case,
    /// What `relsim run` would be given.
    pub args: RunArgs,
    /// Hash of the case as it is written.
    pub description: String,
}

/// Judges what the file's parser could not.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn prepare<'a>(case: &'a Case, directory: &Path) -> Result<Prepared<'a>, FileError> {
    guest(case)?;
    if let Some(dtb) = case.dtb.as_ref().filter(|_| case.initrd.is_some() || case.append.is_some()) {
        return Err(FileError::new(
            "a device tree of its own leaves no place for initrd and append",
            dtb.span(),
        ));
    }
    if let (Some(stdin), true) = (&case.stdin_text, case.stdin.is_some()) {
        return Err(FileError::new("console input comes from stdin or from stdin-text", stdin.span()));
    }
    let path = |file: &Option<Spanned<String>>| -> Result<Option<PathBuf>, FileError> {
        let Some(file) = file else { return Ok(None) };
        if file.as_ref().is_empty() {
            return Err(FileError::new("no file is named", file.span()));
        }
        Ok(Some(directory.join(file.as_ref())))
    };
    let args = RunArgs {
        image: path(&case.image)?,
        machine: machine(case)?,
        firmware: path(&case.firmware)?,
        initrd: path(&case.initrd)?,
        append: case.append.as_ref().map(|append| append.as_ref().clone()),
        dtb: path(&case.dtb)?,
        raw: raw(case)?,
        disk: case.disk.iter().map(|disk| self::disk(disk, directory)).collect::<Result<_, _>>()?,
        net: case.net.iter().map(net).collect::<Result<_, _>>()?,
        builtin: builtin(case)?,
        virtio_console: case.virtio_console,
        stdin: path(&case.stdin)?.map_or_else(|| Ok("none".into()), |path| utf8(path, &case.stdin))?,
        max_cycles: optional(&case.max_cycles, parse_number)?,
        max_instructions: optional(&case.max_instructions, parse_number)?,
        quiet: true,
        ..RunArgs::default()
    };
    ending(case)?;
    let description = describe(case, &args);
    Ok(Prepared { case, args, description })
}

/// `--stdin` is text.
fn utf8(path: PathBuf, from: &Option<Spanned<String>>) -> Result<String, FileError> {
    let span = from.as_ref().map_or(0..0, Spanned::span);
    let text = path.into_os_string().into_string();
    text.map_err(|_| FileError::new("its path is no Unicode text", span))
}

/// The built-in guest, which has to be one.
fn builtin(case: &Case) -> Result<Option<String>, FileError> {
    let Some(name) = &case.builtin else { return Ok(None) };
    match Builtin::by_name(name.as_ref()) {
        Some(builtin) => Ok(Some(builtin.name.into())),
        None => {
            let names: Vec<_> = embedded::ALL.iter().map(|builtin| builtin.name).collect();
            let why = format!("no guest of this name is built in; there are {}", names.join(", "));
            Err(FileError::new(why, name.span()))
        }
    }
}

/// There is exactly one guest.
fn guest(case: &Case) -> Result<(), FileError> {
    let own = case.image.as_ref().or(case.firmware.as_ref());
    match own {
        Some(file) if case.builtin.is_some() => {
            Err(FileError::new("a built-in guest runs without other software", file.span()))
        }
        None if case.builtin.is_none() => Err(FileError::new(
            "the case names neither an image, nor firmware, nor a built-in guest",
            case.name.span(),
        )),
        _ => Ok(()),
    }
}

fn number(value: &Number, parse: fn(&str) -> Result<u64, String>) -> Result<u64, String> {
    match value {
        Number::Integer(number) => Ok(*number),
        Number::Text(text) => parse(text),
    }
}

fn optional(
    value: &Option<Spanned<Number>>,
    parse: fn(&str) -> Result<u64, String>,
) -> Result<Option<u64>, FileError> {
    let Some(value) = value else { return Ok(None) };
    number(value.as_ref(), parse).map(Some).map_err(|why| FileError::new(why, value.span()))
}

fn raw(case: &Case) -> Result<Option<Option<u64>>, FileError> {
    let Some(raw) = &case.raw else { return Ok(None) };
    let wrong = |why: String| FileError::new(why, raw.span());
    match raw.as_ref() {
        Raw::Flag(false) => Ok(None),
        _ if case.image.is_none() => Err(wrong("raw is about an image, and there is none".into())),
        Raw::Flag(true) => Ok(Some(None)),
        Raw::At(address) => number(address, parse_number).map(|address| Some(Some(address))).map_err(wrong),
    }
}

fn disk(text: &Spanned<String>, directory: &Path) -> Result<DiskArg, FileError> {
    let wrong = |why: String| FileError::new(why, text.span());
    let disk: DiskArg = text.as_ref().parse().map_err(wrong)?;
    if disk.writes == Writes::Through {
        return Err(wrong(
            "a disk that is written to is another one in the next run: FILE or FILE,ro".into(),
        ));
    }
    Ok(DiskArg { path: directory.join(disk.path), writes: disk.writes })
}

fn net(text: &Spanned<String>) -> Result<NetPeer, FileError> {
    NetPeer::from_str(text.as_ref(), false).map_err(|_| {
        let names = NetPeer::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<_> = names.map(|value| value.get_name().to_string()).collect();
        unknown("peer", text, &names)
    })
}

fn unknown(what: &str, text: &Spanned<String>, names: &[impl AsRef<str>]) -> FileError {
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    FileError::new(format!("unknown {what} {:?}: there is {}", text.as_ref(), names.join(", ")), text.span())
}

/// The machine, tried out part by part, so that the part that is wrong is known.
fn machine(case: &Case) -> Result<MachineArgs, FileError> {
    let platform = match &case.platform {
        Some(name) => platform::by_name(name.as_ref()).ok_or_else(|| {
            unknown("platform", name, &platform::ALL.iter().map(|p| p.name).collect::<Vec<_>>())
        })?,
        None => platform::ALL[0],
    };
    let timing = match &case.timing {
        Some(name) => Timing::by_name(name.as_ref()).ok_or_else(|| {
            unknown("timing model", name, &TIMING_MODELS.iter().map(|m| m.name).collect::<Vec<_>>())
        })?,
        None => Timing::default(),
    };
    let mut args = MachineArgs {
        platform: platform.name.into(),
        harts: case.harts.as_ref().map(|harts| usize::try_from(*harts.as_ref()).unwrap_or(usize::MAX)),
        mem: optional(&case.mem, parse_size)?,
        isa: case.isa.as_ref().map(|isa| isa.as_ref().clone()),
        timing: timing.model().name.into(),
        set: Vec::new(),
        quantum: optional(&case.quantum, parse_number)?,
    };
    if let (Some(0), Some(quantum)) = (args.quantum, &case.quantum) {
        return Err(FileError::new("a quantum is at least 1 cycle", quantum.span()));
    }
    let mut config = args.config().map_err(|error| {
        let place = match &error {
            CliError::Isa { .. } => case.isa.as_ref().map(Spanned::span),
            CliError::Config(ConfigError::Harts { .. }) => case.harts.as_ref().map(Spanned::span),
            CliError::Config(ConfigError::Memory { .. }) => case.mem.as_ref().map(Spanned::span),
            _ => None,
        };
        FileError::new(error.to_string(), place.unwrap_or(case.name.span()))
    })?;
    for (key, value) in &case.set {
        let wrong = |error: ParamError| FileError::new(error.to_string(), key.span());
        config.timing.set(key.as_ref(), *value.as_ref()).map_err(wrong)?;
        args.set.push((key.as_ref().clone(), *value.as_ref()));
    }
    Ok(args)
}

fn ending(case: &Case) -> Result<(), FileError> {
    let Some(exit) = &case.exit else { return Ok(()) };
    match exit.as_ref() {
        Ending::Reason(reason) if !REASONS.contains(&reason.as_str()) => Err(FileError::new(
            format!("unknown end {reason:?}: there is an exit code, {}", REASONS.join(", ")),
            exit.span(),
        )),
        _ => Ok(()),
    }
}

/// A hash of what the case says about its run, apart from the contents of files, which are hashed on their
/// own, and from timing parameters: these change what a run costs, not what it is.
fn describe(case: &Case, args: &RunArgs) -> String {
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|value| value.as_ref().clone());
    let (platform, timing) = (text(&case.platform), text(&case.timing));
    let MachineArgs { harts, mem, isa, quantum, .. } = &args.machine;
    let mut all = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        all,
        "builtin={:?} platform={platform:?} harts={harts:?} mem={mem:?} isa={isa:?} timing={timing:?} \
         quantum={quantum:?} append={:?} raw={:?} disks={:?} net={:?} virtio-console={} max-cycles={:?} \
         max-instructions={:?}",
        args.builtin,
        args.append,
        args.raw,
        args.disk.iter().map(|disk| disk.writes).collect::<Vec<_>>(),
        args.net,
        args.virtio_console,
        args.max_cycles,
        args.max_instructions,
    );
    hex(&Sha256::digest(all))
}
