//! What can go wrong before or beside a run, said so that its cause can be found.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, SourceSpan};
use relsim_core::isa::IsaError;
use relsim_loader::LoadError;
use relsim_machine::{BuildError, ConfigError, ModelDef, ParamError};
use relsim_traces::baseline::file::{FileError, line_column};

use crate::suggest;
use crate::timing_toml::FileError as TimingError;

/// Every error of the command line apart from its syntax.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CliError {
    /// An input file.
    #[error("cannot read the {what} {}", path.display())]
    Read {
        /// What the file is.
        what: &'static str,
        /// Its name.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An output file.
    #[error("cannot write the {what} {}", path.display())]
    Write {
        /// What the file is.
        what: &'static str,
        /// Its name.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A checkpoint that cannot be gone on from.
    #[error("{}: {message}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// An option of `relsim run` that would come to nothing.
    #[error("`relsim {command}` does not take {option}")]
    #[diagnostic(help("its commands show what there is at any place of the run"))]
    NotHeeded {
        /// The command that was given.
        command: &'static str,
        /// The option.
        option: &'static str,
    },
    /// A run that can have no checkpoints, or not this one.
    #[error("no checkpoint can be made or gone on from: {message}")]
    NoCheckpoint {
        /// Why not.
        message: String,
    },
    /// A place where gdb was to find us.
    #[error("cannot wait for gdb on {address}")]
    Listen {
        /// The place.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// An image, firmware, or something that comes with them.
    #[error(transparent)]
    Image(#[from] LoadError),
    /// An image of no known format.
    #[error(transparent)]
    #[diagnostic(help("with --raw it is loaded byte for byte"))]
    NotAnImage(LoadError),
    /// The ISA string.
    #[error("{message}")]
    #[diagnostic(help("`relsim isa` lists the extensions"))]
    Isa {
        /// What is wrong.
        message: String,
        /// The string.
        #[source_code]
        text: String,
        /// The place in it.
        #[label("here")]
        place: SourceSpan,
    },
    /// A timing model that is none, and no file either.
    #[error("there is no timing model {name}, and no such file")]
    NoTiming {
        /// What was asked for.
        name: String,
        /// What there is.
        #[help]
        help: String,
    },
    /// A file with a timing model.
    #[error("{message}")]
    TimingFile {
        /// Name, line and column, and what is wrong there.
        message: String,
        /// Its contents.
        #[source_code]
        text: String,
        /// The place in them.
        #[label]
        place: SourceSpan,
        /// What may help.
        #[help]
        help: Option<String>,
    },
    /// A file with a timing model that is no such thing at all.
    #[error("{} is no timing model: it is larger than {limit_bytes} bytes", path.display())]
    TimingFileSize {
        /// Its name.
        path: PathBuf,
        /// How large it may be.
        limit_bytes: u64,
    },
    /// A parameter on the command line.
    #[error("--set: {message}")]
    Setting {
        /// What is wrong.
        message: String,
        /// What may help.
        #[help]
        help: Option<String>,
    },
    /// The machine.
    #[error(transparent)]
    Config(ConfigError),
    /// The machine together with what is plugged in or loaded.
    #[error(transparent)]
    Build(BuildError),
    /// Two parts of the software want the same memory.
    #[error("{first} at {first_range} and {second} at {second_range} overlap in memory")]
    Overlap {
        /// One.
        first: String,
        /// Its addresses.
        first_range: String,
        /// The other.
        second: String,
        /// Its addresses.
        second_range: String,
    },
    /// Neither an image nor firmware was named, and the built-in guest is made for another platform.
    #[error(
        "no image was named, and the built-in guest is made for {made_for}, not for the platform {platform}"
    )]
    #[diagnostic(help("name an image: relsim run --platform {platform} IMAGE"))]
    NoImage {
        /// The platform that was asked for.
        platform: &'static str,
        /// Those that the guest knows.
        made_for: String,
    },
    /// A file given as the device tree is none.
    #[error("{} is not a flattened device tree (it begins with {found}, not with d0 0d fe ed)", path.display())]
    NotADeviceTree {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: String,
    },
    /// The device tree cannot be made.
    #[error("cannot make the device tree: {reason}")]
    DeviceTree {
        /// Why not.
        reason: String,
    },
    /// Binary output would go to a terminal.
    #[error("the device tree is binary; it is not written to a terminal")]
    #[diagnostic(help("name a file with -o FILE, or pipe it into `dtc -I dtb`"))]
    BinaryToTerminal,
    /// The signature was asked for, and the image has none.
    #[error("{image} has no symbols begin_signature and end_signature that enclose memory")]
    NoSignature {
        /// The image.
        image: String,
    },
    /// A file of cases.
    #[error("{}:{line}:{column}: {message}", path.display())]
    CaseFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// What it holds.
        #[source_code]
        text: String,
        /// The place in it.
        #[label("here")]
        place: SourceSpan,
    },
    /// A comparison without an experiment that was asked for.
    #[error("there is no experiment {name}; there is {known}")]
    NoExperiment {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// An operation that a comparison does not have.
    #[error("{name}: {why}")]
    #[diagnostic(help("`relsim explain` without operations lists what the comparison has"))]
    NoOperation {
        /// What was asked for.
        name: String,
        /// What there is not.
        why: String,
    },
    /// A guest that showed no operation.
    #[error("{name}: {why}")]
    NothingMarked {
        /// Which.
        name: String,
        /// What is missing.
        why: String,
    },
    /// A file was written to by somebody else, who is not to lose it.
    #[error("{} changed while its cases ran; nothing was recorded", path.display())]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// A profile by cause, under a timing model that tells none.
    #[error(
        "the timing model {timing} does not tell why cycles pass, so there is nothing to show by {metric}"
    )]
    #[diagnostic(help("--timing rocket tells"))]
    NoCauses {
        /// The model.
        timing: &'static str,
        /// What was asked for.
        metric: &'static str,
    },
    /// Two things that each need to see every instruction.
    #[error("a profile and a {what} cannot be made in one run")]
    #[diagnostic(help("a run can be repeated: it is the same every time"))]
    ProfileAnd {
        /// The other thing.
        what: &'static str,
    },
    /// The condition of a trace.
    #[error("--trace-when: {message}")]
    TraceWhen {
        /// What is wrong.
        message: String,
        /// The condition.
        #[source_code]
        text: String,
        /// The place in it.
        #[label("here")]
        place: SourceSpan,
    },
    /// The condition of a trace that has none.
    #[error("--trace-when does not go with a {format}")]
    #[diagnostic(help("perfetto, konata, vcd and jsonl take one"))]
    NoTraceWhen {
        /// What is to be written.
        format: &'static str,
    },
    /// A trace that was to be read.
    #[error("{}: {message}", path.display())]
    Trace {
        /// Its name.
        path: PathBuf,
        /// Where, and what is wrong there.
        message: String,
    },
    /// Two traces that cannot be compared.
    #[error("{message}")]
    Traces {
        /// Which one, where, and what is wrong there.
        message: String,
    },
    /// A screen is wanted, and there is none.
    #[error("relsim debug needs a terminal to draw on and to read keys from")]
    #[diagnostic(help("without one, relsim script carries out the same commands from a file"))]
    NoTerminal,
    /// The terminal.
    #[error("cannot set up the terminal")]
    Terminal(#[source] std::io::Error),
    /// The handler of Ctrl-C.
    #[error("cannot set up the handling of Ctrl-C")]
    Signals(#[source] ctrlc::Error),
}

impl CliError {
    /// The error of an ISA string, with the place where it is wrong.
    pub fn isa(text: &str, error: &IsaError) -> Self {
        let place = match error {
            IsaError::Base(_) => (0, text.len()),
            IsaError::Unknown { ext, offset, .. } => (*offset, ext.len()),
            IsaError::Missing { ext, .. } => (text.find(ext).unwrap_or(0), ext.len().min(text.len())),
        };
        Self::Isa { message: error.to_string(), text: text.into(), place: place.into() }
    }

    /// The error of a file of cases with contents `text`.
    pub fn case_file(path: &Path, text: &str, error: FileError) -> Self {
        let (line, column) = line_column(text, error.span.start);
        Self::CaseFile {
            path: path.into(),
            line,
            column,
            message: error.message,
            text: text.into(),
            place: error.span.into(),
        }
    }
}

impl CliError {
    /// The error of a `--set`.
    pub fn setting(model: &ModelDef, error: &ParamError) -> Self {
        Self::Setting { message: error.to_string(), help: suggest::for_parameter(model, error) }
    }

    /// The error of a file with a timing model.
    pub fn timing_file(path: &Path, text: String, error: TimingError) -> Self {
        let (line, column) = line_column(&text, error.place.start);
        Self::TimingFile {
            message: format!("{}:{line}:{column}: {}", path.display(), error.message),
            place: error.place.into(),
            help: error.help,
            text,
        }
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Config(error) => Self::Config(error),
            error => Self::Build(error),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
