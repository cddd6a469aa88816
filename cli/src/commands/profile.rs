//! `relsim profile`: a run, watched by a collector.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use relsim_machine::{Exit, Limits, Machine};
use relsim_traces::profile::{Metric, Profile, Summary, Symbol, Tree, callgrind, folded, json, table};

use crate::args::{CheckpointArgs, ProfileArgs, ProfileFormat};
use crate::error::CliError;
use crate::symbols::Symbols;

/// Functions that a table shows.
const TABLE_FUNCTIONS: usize = 20;

/// Runs an image and writes its profile; gives the exit status of the run.
///
/// # Errors
/// Those of `relsim run`, and what is wrong with the profile's own arguments.
pub fn run(args: &ProfileArgs) -> Result<u8, CliError> {
    if args.run.commit_log.is_some() {
        return Err(CliError::ProfileAnd { what: "commit log" });
    }
    if args.run.trace.is_some() {
        return Err(CliError::ProfileAnd { what: "trace" });
    }
    super::run::execute(&args.run, Some(args), None, &CheckpointArgs::default())
}

type Lookup = Box<dyn Fn(u64) -> Option<Symbol>>;

/// A profile in the making.
pub struct Profiler {
    profile: Profile<Lookup>,
    target: Target,
}

/// Where and how it is written.
struct Target {
    image: String,
    metric: Metric,
    format: ProfileFormat,
    top: Option<usize>,
    /// Made before the run; without it, the profile goes to standard output.
    file: Option<(BufWriter<File>, std::path::PathBuf)>,
}

/// A profile that is done.
pub struct Done {
    tree: Tree,
    target: Target,
}

impl Profiler {
    /// A profile of `machine`, which has not run yet, as `args` want it.
    ///
    /// # Errors
    /// If it would be by cause, and the timing model tells none; if its file cannot be made.
    pub fn new(
        args: &ProfileArgs,
        image: String,
        symbols: Symbols,
        machine: &Machine,
    ) -> Result<Self, CliError> {
        // The parser admits no other names.
        let metric = Metric::all().find(|m| m.0 == args.by).map(|m| m.1).unwrap_or_default();
        let target = args.output.as_deref();
        Self::to(target, args.format, (metric, args.top), image, symbols, machine)
    }

    /// A profile of `machine`, which has not run yet, in `format`, to file `target`, or else to standard output.
    ///
    /// # Errors
    /// The same.
    pub fn to(
        target: Option<&Path>,
        format: ProfileFormat,
        (metric, top): (Metric, Option<usize>),
        image: String,
        symbols: Symbols,
        machine: &Machine,
    ) -> Result<Self, CliError> {
        if machine.ledger(0).is_none() && matches!(metric, Metric::Cause(_)) {
            let timing = machine.config().timing.model().name;
            return Err(CliError::NoCauses { timing, metric: metric.name() });
        }
        let file = target.map(create).transpose()?;
        let lookup: Lookup = Box::new(move |address| symbols.find(address));
        Ok(Self {
            profile: Profile::new(machine.cores.len(), lookup),
            target: Target { image, metric, format, top, file },
        })
    }

    /// Runs `machine` further.
    pub fn run(&mut self, machine: &mut Machine, limits: Limits, stop: &AtomicBool) -> Exit {
        machine.run_observed(limits, stop, &mut self.profile)
    }

    /// Nothing more will be seen.
    pub fn finish(mut self, machine: &Machine) -> Done {
        for (index, core) in machine.cores.iter().enumerate() {
            self.profile.finish_hart(&core.hart, machine.ledger(index).as_ref());
        }
        Done { tree: self.profile.into_tree(), target: self.target }
    }
}

fn create(path: &Path) -> Result<(BufWriter<File>, std::path::PathBuf), CliError> {
    match File::create(path) {
        Ok(file) => Ok((BufWriter::new(file), path.into())),
        Err(source) => Err(CliError::Write { what: "profile", path: path.into(), source }),
    }
}

impl Done {
    /// Writes it.
    ///
    /// # Errors
    /// [`CliError::Write`].
    pub fn write(self) -> Result<(), CliError> {
        let Target { image, metric, format, top, file } = self.target;
        let tree = self.tree;
        let to = |out: &mut dyn Write| {
            let mut out = out;
            let out = &mut out;
            match format {
                ProfileFormat::Folded => folded::write(out, &tree, metric),
                ProfileFormat::Table => {
                    let top = top.unwrap_or(TABLE_FUNCTIONS);
                    table::write(out, &tree, &Summary::new(&tree, metric), metric, top)
                }
                ProfileFormat::Callgrind => {
                    callgrind::write(out, &tree, &Summary::new(&tree, metric), &image)
                }
                ProfileFormat::Json => json::write(out, &tree, &Summary::new(&tree, metric), &image, top),
            }
        };
        match file {
            Some((mut file, path)) => to(&mut file)
                .and_then(|()| file.flush())
                .map_err(|source| CliError::Write { what: "profile", path, source }),
            None => {
                let mut bytes = Vec::new();
                // Writing to memory does not fail.
                to(&mut bytes).map_err(|source| CliError::Write {
                    what: "profile",
                    path: "standard output".into(),
                    source,
                })?;
                super::print(&bytes)
            }
        }
    }
}
