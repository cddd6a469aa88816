//! The functional mode as a model among the others: no parameters.

use relsim_core::saved::Impossible;
pub use relsim_core::timing::Functional;

use crate::params::params;
use crate::registry::Model;

params! {
    parameters {}
    fixed {}
}

impl Model for Functional {
    const NAME: &'static str = "functional";
    const SUMMARY: &'static str = "one cycle an instruction, no caches";
    type Params = Params;
    type State = ();

    fn new(_: &Params, _: &[u64]) -> Self {
        Self
    }

    fn save(&mut self) {}

    fn settle(&self, (): &mut (), _: u64) -> Result<(), Impossible> {
        Ok(())
    }

    fn restore(&mut self, (): &()) {}

    fn state_bytes(&self) -> u64 {
        0
    }
}
