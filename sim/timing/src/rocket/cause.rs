//! Where cycles go: each to exactly one cause.

/// Why a cycle passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// An instruction issued.
    Issue,
    /// Its operand comes from a load that hit.
    LoadUse,
    /// Its operand, or the unit, is busy with a multiplication or division.
    MulDiv,
    /// Its operand, or the unit, is busy with floating point.
    FloatingPoint,
    /// Another result that cannot be bypassed: CSR reads, links.
    Result,
    /// The instruction cache has a miss.
    InstructionCache,
    /// The instruction TLB has a miss.
    InstructionTlb,
    /// The data cache has a miss.
    DataCache,
    /// The data TLB has a miss.
    DataTlb,
    /// A load too close behind a store to the same word, or another refusal by the data cache.
    StoreHazard,
    /// Fetch starts anew after a misprediction.
    Branch,
    /// Fetch has nothing to offer for another reason: redirection by predecode, alignment.
    Fetch,
    /// A trap, or a flush after a CSR write or the like.
    Flush,
    /// A fence waits for memory.
    Fence,
    /// A device access.
    Mmio,
    /// The hart waits for an interrupt.
    Wait,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 16] = [
        Self::Issue,
        Self::LoadUse,
        Self::MulDiv,
        Self::FloatingPoint,
        Self::Result,
        Self::InstructionCache,
        Self::InstructionTlb,
        Self::DataCache,
        Self::DataTlb,
        Self::StoreHazard,
        Self::Branch,
        Self::Fetch,
        Self::Flush,
        Self::Fence,
        Self::Mmio,
        Self::Wait,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::LoadUse => "load-use",
            Self::MulDiv => "mul-div",
            Self::FloatingPoint => "floating-point",
            Self::Result => "result",
            Self::InstructionCache => "icache",
            Self::InstructionTlb => "itlb",
            Self::DataCache => "dcache",
            Self::DataTlb => "dtlb",
            Self::StoreHazard => "store-hazard",
            Self::Branch => "branch",
            Self::Fetch => "fetch",
            Self::Flush => "flush",
            Self::Fence => "fence",
            Self::Mmio => "mmio",
            Self::Wait => "wait",
        }
    }
}
