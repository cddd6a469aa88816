//! From the files of a run to what lies in memory and where it starts.

use std::path::Path;

use relsim_core::hart::Priv;
use relsim_core::isa::Ext;
use relsim_loader::{
    DisplayRange, Image, ImageKind, IsaSupport, LoadError, ParseOptions, Region, Start, place_dtb,
    place_initrd,
};
use relsim_machine::fdt::{self, Chosen};
use relsim_machine::{HtifWords, MachineConfig, Payload, Piece};
use sha2::{Digest, Sha256};

use crate::args::RunArgs;
use crate::error::CliError;
use crate::stats::hex;
use crate::symbols::ImageSymbols;

/// How far above the start of memory a raw image lies that comes after firmware, and the place that
/// firmware expects it at.
const NEXT_STAGE_OFFSET: u64 = 0x20_0000;
/// First bytes of a device tree blob.
const DTB_MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];

/// The software of a run.
pub struct Software {
    /// What the machine is built with.
    pub payload: Payload,
    /// Physical addresses of the image's signature, if it has one.
    pub signature: Option<Region>,
    /// What the image is called.
    pub name: String,
    /// Where the functions are in image and firmware.
    pub symbols: Vec<ImageSymbols>,
    /// Remarks for the user.
    pub notes: Vec<String>,
    /// What the files hold that was loaded, by what they are: SHA-256, without what relsim makes itself (the
    /// device tree).
    pub inputs: Vec<(&'static str, String)>,
}

/// A hash of what `image` brings into memory and where it starts. Debug information and packing do not count.
fn fingerprint(image: &Image) -> String {
    let mut sha = Sha256::new();
    let words = &image.host_interface;
    let words = [words.tohost, words.fromhost].map(|word| word.map(|w| w.phys));
    sha.update(format!("entry={:#x} htif={words:x?}", image.entry));
    for segment in &image.segments {
        let (at, virtual_at) = (segment.paddr, segment.vaddr);
        let (size, data) = (segment.mem_size_bytes, segment.data.len());
        sha.update(format!(" {at:#x} {virtual_at:#x} {size:#x} {data:#x}:"));
        sha.update(&*segment.data);
    }
    hex(&sha.finalize())
}

/// Reads an input file.
///
/// # Errors
/// [`CliError::Read`].
pub fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|source| CliError::Read { what, path: path.into(), source })
}

/// What has been given a place in memory.
#[derive(Default)]
struct Layout {
    pieces: Vec<Piece>,
    taken: Vec<(String, Region)>,
}

impl Layout {
    fn add(&mut self, name: &str, region: Region, bytes: Vec<u8>) -> Result<(), CliError> {
        if let Some((other, at)) = self.taken.iter().find(|(_, at)| at.overlaps(region)) {
            let text = |r: Region| DisplayRange { start: r.base, size_bytes: r.size_bytes }.to_string();
            return Err(CliError::Overlap {
                first: other.clone(),
                first_range: text(*at),
                second: name.into(),
                second_range: text(region),
            });
        }
        self.pieces.push(Piece { name: name.into(), address: region.base, bytes });
        self.taken.push((name.into(), region));
        Ok(())
    }

    fn add_image(&mut self, image: &Image) -> Result<(), CliError> {
        // An image's own segments do not overlap; the loader sees to that.
        image.segments.iter().try_for_each(|s| self.add(&image.name, s.region(), s.data.to_vec()))
    }

    fn regions(&self) -> Vec<Region> {
        self.taken.iter().map(|(_, region)| *region).collect()
    }
}

fn parse(name: &str, bytes: &[u8], options: &ParseOptions) -> Result<Image, CliError> {
    Image::parse(name, bytes, options).map_err(|error| match error {
        LoadError::Unrecognised { .. } => CliError::NotAnImage(error),
        error => CliError::Image(error),
    })
}

/// Firmware lies at the start of memory: raw files always, ELF files that are linked elsewhere (at 0, since
/// they can relocate themselves) are moved there.
fn parse_firmware(name: &str, bytes: &[u8], ram: Region) -> Result<Image, CliError> {
    let mut options = ParseOptions { ram_base: ram.base, allow_raw: true, ..ParseOptions::default() };
    let image = parse(name, bytes, &options)?;
    if image.check_fits(ram.base, ram.size_bytes).is_ok() {
        return Ok(image);
    }
    options.load_address = Some(ram.base);
    parse(name, bytes, &options)
}

fn parse_image(args: &RunArgs, ram: Region, harts: usize) -> Result<Option<Image>, CliError> {
    let (name, bytes) = match (&args.image, args.builtin()) {
        (Some(path), _) => (path.display().to_string(), read("image", path)?),
        (None, Some(builtin)) => (builtin.title.to_string(), builtin.elf(harts).to_vec()),
        (None, None) => return Ok(None),
    };
    let mut options = ParseOptions {
        ram_base: ram.base,
        allow_raw: args.raw.is_some(),
        load_address: args.raw.flatten(),
        ..ParseOptions::default()
    };
    let image = parse(&name, &bytes, &options)?;
    if image.kind != ImageKind::Raw || args.firmware.is_none() || options.load_address.is_some() {
        return Ok(Some(image));
    }
    options.load_address = Some(ram.base + NEXT_STAGE_OFFSET);
    parse(&name, &bytes, &options).map(Some)
}

/// The words of the firmware's or the image's own HTIF.
fn htif(images: [Option<&Image>; 2]) -> Option<HtifWords> {
    images.into_iter().flatten().find_map(|image| {
        let tohost = image.host_interface.tohost?.phys;
        Some(HtifWords { tohost, fromhost: image.host_interface.fromhost.map(|a| a.phys) })
    })
}

/// The memory between the signature's symbols.
fn signature(image: &Image) -> Option<Region> {
    let (begin, end) = (image.host_interface.begin_signature?.phys, image.host_interface.end_signature?.phys);
    let size_bytes = end.checked_sub(begin).filter(|&size| size > 0)?;
    Some(Region { base: begin, size_bytes })
}

/// Reads the files that `args` names and finds a place for each.
///
/// # Errors
/// What is wrong with a file, or what does not fit.
pub fn load(args: &RunArgs, config: &MachineConfig) -> Result<Software, CliError> {
    let ram = Region { base: config.platform.ram_base, size_bytes: config.ram_bytes };
    let support = IsaSupport {
        compressed: config.isa.has(Ext::C),
        single_float: config.isa.has(Ext::F),
        double_float: config.isa.has(Ext::D),
    };
    let firmware = match &args.firmware {
        Some(path) => Some(parse_firmware(&path.display().to_string(), &read("firmware", path)?, ram)?),
        None => None,
    };
    let image = parse_image(args, ram, config.harts)?;
    let mut layout = Layout::default();
    let mut notes = Vec::new();
    let mut inputs: Vec<(&'static str, String)> = [("firmware", &firmware), ("image", &image)]
        .into_iter()
        .filter_map(|(what, image)| Some((what, fingerprint(image.as_ref()?))))
        .collect();
    for image in [&firmware, &image].into_iter().flatten() {
        image.check_fits(ram.base, ram.size_bytes)?;
        image.check_isa(&support)?;
        layout.add_image(image)?;
        notes.extend(image.notes.iter().map(|note| format!("{}: {note}", image.name)));
    }
    // One of the two is there: without firmware, `parse_image` gives an image or an error.
    let platform = config.platform.name;
    let first = firmware
        .as_ref()
        .or(image.as_ref())
        .ok_or(CliError::NoImage { platform, made_for: platform.into() })?;
    let next_stage = firmware.as_ref().and(image.as_ref()).map(|image| image.entry);
    let machine_mode = firmware.is_some() || first.start(ram.base) == Start::Machine;
    let privilege = if machine_mode { Priv::M } else { Priv::S };

    let initrd = match &args.initrd {
        Some(path) => {
            let bytes = read("initial RAM disk", path)?;
            inputs.push(("initrd", hex(&Sha256::digest(&bytes))));
            Some(add_initrd(bytes, image.as_ref().unwrap_or(first), ram, &mut layout)?)
        }
        None => None,
    };
    let htif = htif([firmware.as_ref(), image.as_ref()]);
    let dtb = match &args.dtb {
        Some(path) => {
            let bytes = read_dtb(path)?;
            inputs.push(("dtb", hex(&Sha256::digest(&bytes))));
            bytes
        }
        None => {
            let bootargs = args.append.clone().unwrap_or_default();
            let chosen = Chosen { bootargs, initrd, htif_in_image: htif.is_some() };
            fdt::build(config, &chosen).map_err(|e| CliError::DeviceTree { reason: e.to_string() })?
        }
    };
    let wanted = args.dtb.is_some() || args.append.is_some() || initrd.is_some() || privilege == Priv::S;
    let dtb_address = match place_dtb(ram, dtb.len() as u64, &layout.regions()) {
        Ok(address) => {
            let region = Region { base: address, size_bytes: dtb.len() as u64 };
            layout.add("device tree", region, dtb)?;
            address
        }
        // A bare-metal program in a small memory is not one that looks at it.
        Err(_) if !wanted => {
            notes.push("no room for the device tree: a1 is 0".into());
            0
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Software {
        payload: Payload {
            pieces: layout.pieces,
            entry: first.entry,
            privilege,
            next_stage,
            dtb_address,
            htif,
        },
        signature: image.as_ref().and_then(signature),
        name: image.as_ref().unwrap_or(first).name.clone(),
        symbols: [&image, &firmware].into_iter().flatten().map(ImageSymbols::of).collect(),
        notes,
        inputs,
    })
}

fn add_initrd(
    bytes: Vec<u8>,
    kernel: &Image,
    ram: Region,
    layout: &mut Layout,
) -> Result<(u64, u64), CliError> {
    let size_bytes = bytes.len() as u64;
    let base = place_initrd(ram, kernel.span(), size_bytes, &layout.regions())?;
    layout.add("initial RAM disk", Region { base, size_bytes }, bytes)?;
    Ok((base, base + size_bytes))
}

fn read_dtb(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = read("device tree", path)?;
    if bytes.starts_with(&DTB_MAGIC) {
        return Ok(bytes);
    }
    let found: Vec<_> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
    let found = if found.is_empty() { "nothing".into() } else { found.join(" ") };
    Err(CliError::NotADeviceTree { path: path.into(), found })
}
