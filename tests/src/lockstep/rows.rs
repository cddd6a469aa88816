//! The instruction rows to choose from, and random words of a row.

use relsim_core::decode::Decoder;
use relsim_core::insn::{File, Fmt, InsnDef, OpClass};
use relsim_core::isa::{ExtSet, IsaError, parse_isa};
use relsim_core::rows;

use super::rng::Rng;

/// What both simulators have and can agree on: relsim's other extensions (N, Zicond, Zicbo*, Zacas, Zawrs)
/// are unknown to QEMU 7.2, and must be illegal in both.
const COMMON: &str = "zicntr_zicsr_zifencei_zihintpause_zihpm_zfh_zba_zbb_zbc_zbkb_zbkc_zbkx_zbs\
                      _sstc_svadu_svinval_svnapot_svpbmt";

/// The instruction set of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// With compressed instructions; without them jumps can be misaligned.
    pub compressed: bool,
}

impl Variant {
    /// For relsim.
    ///
    /// # Errors
    /// [`IsaError`] if relsim has lost one of the extensions.
    pub fn isa(self) -> Result<ExtSet, IsaError> {
        let c = if self.compressed { "c" } else { "" };
        parse_isa(&format!("rv64imafd{c}su_{COMMON}"), &[])
    }

    /// For QEMU's `-cpu`. Its hypervisor extension and triggers are off since relsim has none; the numbers
    /// of the implementation are relsim's.
    pub fn qemu_cpu(self) -> String {
        let c = if self.compressed { "on" } else { "off" };
        format!(
            "rv64,h=off,x-smaia=on,x-ssaia=on,debug=off,c={c},marchid=0,mimpid=0,Zfh=on,zba=on,zbb=on,zbc=on,zbkb=on,zbkc=on,zbkx=on,\
             zbs=on,sstc=on,svinval=on,svnapot=on,svpbmt=on"
        )
    }
}

/// Registers that random code must not write: they hold pointers and counters.
pub type Reserved = [bool; 32];

/// The rows of an instruction set, sorted by use.
pub struct Rows {
    /// Offsets of loads and stores are always aligned.
    pub aligned: bool,
    /// There are compressed instructions.
    pub compressed: bool,
    /// Every row that relsim has, in whatever extension.
    pub all: Vec<&'static InsnDef>,
    /// The decoder, to see what a word is.
    pub decoder: Decoder,
    /// Register to register, without memory.
    pub alu: Vec<&'static InsnDef>,
    /// Floating point, without memory.
    pub fp: Vec<&'static InsnDef>,
    /// Loads and stores.
    pub memory: Vec<&'static InsnDef>,
    /// AMOs and load-reserved.
    pub atomic: Vec<&'static InsnDef>,
    /// Branches and direct jumps.
    pub jumps: Vec<&'static InsnDef>,
    /// Indirect jumps.
    pub indirect: Vec<&'static InsnDef>,
    /// Calls and fences.
    pub system: Vec<&'static InsnDef>,
}

impl Rows {
    /// The rows of `variant`; see [`Rows::aligned`].
    ///
    /// # Panics
    /// If relsim has no such instruction set: a mistake in [`COMMON`].
    pub fn new(variant: Variant, aligned: bool) -> Self {
        use OpClass as C;
        let isa = variant.isa().expect("the common instruction set");
        let decoder = Decoder::new(isa, &[]).expect("the core's rows do not overlap");
        let of = |classes: &[OpClass]| -> Vec<_> {
            let all = decoder.rows().filter(|def| !super::exceptions::LEFT_OUT.contains(&def.name));
            all.filter(|def| classes.contains(&def.class)).collect()
        };
        Self {
            aligned,
            compressed: variant.compressed,
            all: rows::BASE.iter().flat_map(|file| file.iter()).collect(),
            alu: of(&[C::Alu, C::Mul, C::Div, C::Fence]),
            fp: of(&[
                C::FpArithSingle,
                C::FpArithDouble,
                C::FpDivSingle,
                C::FpDivDouble,
                C::FpMisc,
                C::FpToInt,
                C::IntToFp,
            ]),
            memory: of(&[C::Load, C::Store, C::FpLoad, C::FpStore]),
            atomic: of(&[C::Amo, C::LoadReserved]),
            jumps: of(&[C::Branch, C::Jump]),
            indirect: of(&[C::JumpIndirect]),
            system: of(&[C::FenceI, C::SfenceVma, C::Call]),
            decoder,
        }
    }

    /// The row called `name`.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(&self, name: &str) -> &'static InsnDef {
        self.decoder.rows().find(|def| def.name == name).unwrap_or_else(|| panic!("no row {name}"))
    }

    /// A random word of row `def` that writes none of the `reserved` registers, if one was found.
    pub fn word(&self, rng: &mut Rng, def: &InsnDef, reserved: &Reserved) -> Option<u32> {
        (0..40)
            .map(|_| self.any_word(rng, def))
            .find(|&word| self.is(def, word) && keeps(def, word, reserved))
    }

    /// Whether `word` decodes to `def`.
    pub fn is(&self, def: &InsnDef, word: u32) -> bool {
        self.decoder.decode(word).is_some_and(|(_, found)| found.name == def.name)
    }

    /// [`Rows::word`] for a memory row, with one of `pointers` as base.
    pub fn memory_word(
        &self,
        rng: &mut Rng,
        def: &InsnDef,
        reserved: &Reserved,
        pointers: &[u8],
    ) -> Option<u32> {
        let fits = |word: u32| pointers.contains(&def.fmt.operands(word).rs1);
        for _ in 0..60 {
            let mut word = self.any_word(rng, def);
            if def.pattern.len == 4 {
                word = word & !(31 << 15) | u32::from(rng.pick(pointers)) << 15;
                // Aligned offsets, so that what is misaligned is mostly so by its pointer.
                if self.aligned || rng.percent(80) {
                    match def.fmt {
                        Fmt::Load | Fmt::FLoad => word &= !(7 << 20),
                        Fmt::Store | Fmt::FStore => word &= !(7 << 7),
                        _ => {}
                    }
                }
            }
            if fits(word) && self.is(def, word) && keeps(def, word, reserved) {
                return Some(word);
            }
        }
        None
    }

    fn any_word(&self, rng: &mut Rng, def: &InsnDef) -> u32 {
        let width = if def.pattern.len == 2 { 0xffff } else { u32::MAX };
        let mut word = (def.pattern.bits | rng.bits() as u32 & !def.pattern.mask) & width;
        if def.fmt.has_rm() && rng.percent(40) {
            word |= 7 << 12;
        }
        // Results gather in f0 to f7; the others keep the interesting values they start with.
        if def.pattern.len == 4 && def.fmt.files().rd == File::F && rng.percent(80) {
            word &= !(0x18 << 7);
        }
        word
    }

    /// A word that relsim refuses: of an extension that is off, an instruction with one bit turned, or
    /// anything.
    pub fn illegal_word(&self, rng: &mut Rng) -> Option<u32> {
        let parcel = |word: u32| self.compressed || word & 3 == 3;
        let fits = |&word: &u32| parcel(word) && self.decoder.decode(word).is_none();
        (0..20).map(|_| self.spoilt_word(rng)).find(fits)
    }

    fn spoilt_word(&self, rng: &mut Rng) -> u32 {
        let def = rng.pick(&self.all);
        let mut word = self.any_word(rng, def);
        // Not the bits that tell 16-bit and 32-bit instructions apart.
        let flip = 1 << (2 + rng.below(u64::from(def.pattern.len) * 8 - 2));
        match rng.below(10) {
            0..=6 => word ^= flip,
            7 => {
                word =
                    word & 3 | rng.bits() as u32 & !3 & if def.pattern.len == 2 { 0xffff } else { u32::MAX }
            }
            _ => {}
        }
        word
    }
}

/// Whether `word` of row `def` leaves the reserved registers alone.
fn keeps(def: &InsnDef, word: u32, reserved: &Reserved) -> bool {
    def.fmt.files().rd != File::X || !reserved[usize::from(def.fmt.operands(word).rd)]
}
