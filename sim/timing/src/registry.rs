//! The timing models: one row each, from which names, parameters and construction follow.

use relsim_core::saved::Impossible;
use relsim_core::timing::{Ledger, TimingModel};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::params::{FixedDef, ParamDef, ParamError, Parameters};
use crate::{functional, rocket, simple};

/// What a folder has to offer to be a timing model.
pub trait Model: TimingModel + Sized {
    /// The name by which users ask for it: small letters, digits and hyphens.
    const NAME: &'static str;
    /// A line about it.
    const SUMMARY: &'static str;
    /// Its parameters.
    type Params: Parameters;
    /// Cycles from an instruction leaving the decode stage to its write-back, if it has such stages: instructions are
    /// counted at write-back.
    const WRITE_BACK_CYCLES: Option<u64> = None;

    /// All that decides what it charges from now on, apart from the parameters.
    type State: Clone + Send + Sync + Serialize + DeserializeOwned + 'static;

    /// After reset, with a hart about to fetch from each of `pcs`.
    fn new(params: &Self::Params, pcs: &[u64]) -> Self;

    /// Its state.
    fn save(&mut self) -> Self::State;

    /// Works out what is left out of a state that was read, of a model with the same parameters and as many harts.
    /// `latest`: nothing in it is further in the future than this cycle.
    ///
    /// # Errors
    /// [`Impossible`] if no such model can come into that state.
    fn settle(&self, state: &mut Self::State, latest: u64) -> Result<(), Impossible>;

    /// Takes a state that [`Model::save`] gave for a model with the same parameters and as many harts.
    fn restore(&mut self, state: &Self::State);

    /// The size of a state in the host's memory in bytes, as good as.
    fn state_bytes(&self) -> u64;
}

/// A model as users see it.
#[derive(Debug, Clone, Copy)]
pub struct ModelDef {
    /// Its name.
    pub name: &'static str,
    /// A line about it.
    pub summary: &'static str,
    /// What can be set.
    pub parameters: &'static [ParamDef],
    /// What cannot.
    pub fixed: &'static [FixedDef],
    /// See [`Model::WRITE_BACK_CYCLES`].
    pub write_back_cycles: Option<u64>,
    /// The model with its defaults.
    pub timing: fn() -> Timing,
}

/// Something to be done with a model of whatever type: how the hot loop is compiled once for each.
pub trait WithModel {
    /// What comes of it.
    type Output;

    /// Does it.
    fn with<T: TimingModel>(self, model: &mut T) -> Self::Output;
}

macro_rules! models {
    ($($(#[doc = $doc:literal])+ $variant:ident($model:ty);)*) => {
        /// How instructions are charged: a model and the values of its parameters.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Timing {
            $($(#[doc = $doc])+ $variant(Box<<$model as Model>::Params>),)*
        }

        /// A model at work.
        pub enum AnyModel {
            $($(#[doc = $doc])+ $variant(Box<$model>),)*
        }

        /// The state of a model.
        #[derive(Clone, Serialize, Deserialize)]
        pub enum ModelState {
            $($(#[doc = $doc])+ $variant(Box<<$model as Model>::State>),)*
        }

        /// Every model, the default one first.
        pub const MODELS: &[ModelDef] = &[
            $(ModelDef {
                name: <$model>::NAME,
                summary: <$model>::SUMMARY,
                parameters: <$model as Model>::Params::TABLE,
                fixed: <$model as Model>::Params::FIXED,
                write_back_cycles: <$model>::WRITE_BACK_CYCLES,
                timing: || Timing::$variant(Box::default()),
            },)*
        ];

        impl Timing {
            fn row(&self) -> usize {
                // The variants' own numbers: they stand in the order of the rows.
                enum Row { $($variant),* }
                match self {
                    $(Self::$variant(_) => Row::$variant as usize,)*
                }
            }

            /// The values of the parameters, in the order of [`ModelDef::parameters`].
            pub fn values(&self) -> Vec<u64> {
                match self {
                    $(Self::$variant(params) => params.values(),)*
                }
            }

            fn value_mut(&mut self, index: usize) -> Option<&mut u64> {
                match self {
                    $(Self::$variant(params) => params.value_mut(index),)*
                }
            }

            /// The model after reset, with a hart about to fetch from each of `pcs`.
            pub fn build(&self, pcs: &[u64]) -> AnyModel {
                match self {
                    $(Self::$variant(params) => {
                        AnyModel::$variant(Box::new(<$model as Model>::new(params, pcs)))
                    })*
                }
            }
        }

        impl AnyModel {
            /// Does `job` with the model.
            pub fn with<W: WithModel>(&mut self, job: W) -> W::Output {
                match self {
                    $(Self::$variant(model) => job.with(&mut **model),)*
                }
            }

            /// See [`Model::save`].
            pub fn save(&mut self) -> ModelState {
                match self {
                    $(Self::$variant(model) => ModelState::$variant(Box::new(model.save())),)*
                }
            }

            /// See [`Model::restore`]; whether `state` is one of this model's.
            pub fn restore(&mut self, state: &ModelState) -> bool {
                match (self, state) {
                    $((Self::$variant(model), ModelState::$variant(state)) => model.restore(state),)*
                    // With a single model there would be no other.
                    #[allow(unreachable_patterns)]
                    _ => return false,
                }
                true
            }

            /// See [`Model::settle`].
            ///
            /// # Errors
            /// [`Impossible`].
            pub fn settle(&self, state: &mut ModelState, latest: u64) -> Result<(), Impossible> {
                match (self, state) {
                    $((Self::$variant(model), ModelState::$variant(state)) => model.settle(state, latest),)*
                    #[allow(unreachable_patterns)]
                    _ => Err(Impossible("a timing model in another's state")),
                }
            }

            /// See [`Model::state_bytes`].
            pub fn state_bytes(&self) -> u64 {
                match self {
                    $(Self::$variant(model) => model.state_bytes(),)*
                }
            }

            /// See [`TimingModel::ledger`].
            pub fn ledger(&self, hart: usize) -> Option<&Ledger> {
                match self {
                    $(Self::$variant(model) => model.ledger(hart),)*
                }
            }
        }
    };
}

models! {
    /// One cycle an instruction.
    Functional(functional::Functional);
    /// One cycle an instruction, and L1 caches.
    Simple(simple::Simple);
    /// As Rocket does.
    Rocket(rocket::Rocket);
}

impl Default for Timing {
    fn default() -> Self {
        Self::Functional(Box::default())
    }
}

impl Default for AnyModel {
    fn default() -> Self {
        Self::Functional(Box::default())
    }
}

impl Timing {
    /// The model called `name`, with its defaults.
    pub fn by_name(name: &str) -> Option<Self> {
        MODELS.iter().find(|model| model.name == name).map(|model| (model.timing)())
    }

    /// The model's row.
    pub fn model(&self) -> &'static ModelDef {
        &MODELS[self.row()]
    }

    /// The parameters with their values.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static ParamDef, u64)> {
        self.model().parameters.iter().zip(self.values())
    }

    /// Sets parameter `name`.
    ///
    /// # Errors
    /// [`ParamError`] when there is no such parameter, or it does not take the value.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), ParamError> {
        let model = self.model();
        let Some(index) = model.parameters.iter().position(|p| p.name == name) else {
            return Err(match model.fixed.iter().find(|f| f.name == name) {
                Some(&fixed) => ParamError::Fixed { model: model.name, fixed },
                None => ParamError::Unknown { model: model.name, name: name.into() },
            });
        };
        model.parameters[index].admits(value)?;
        if let Some(slot) = self.value_mut(index) {
            *slot = value;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What holds for every model, whoever adds it.
    #[test]
    fn every_row_is_in_order() {
        let mut names = BTreeSet::new();
        for (row, model) in MODELS.iter().enumerate() {
            let timing = (model.timing)();
            assert_eq!(timing.row(), row);
            assert!(names.insert(model.name), "two models are called {}", model.name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(!model.name.is_empty() && model.name.chars().all(plain), "{}", model.name);
            assert!(!model.summary.is_empty() && !model.summary.contains('\n'), "{}", model.name);
            assert_eq!(timing.build(&[0x8000_0000; 3]).ledger(3), None, "{}", model.name);
        }
        assert_eq!(Timing::default().row(), 0);
    }

    #[test]
    fn every_parameter_is_set_by_name_and_within_bounds() {
        for model in MODELS {
            let mut names: BTreeSet<_> = model.fixed.iter().map(|f| f.name).collect();
            assert_eq!(names.len(), model.fixed.len());
            for (index, param) in model.parameters.iter().enumerate() {
                let what = format!("{} of {}", param.name, model.name);
                assert!(names.insert(param.name), "{what} stands twice");
                for text in [param.unit, param.meaning, param.source] {
                    assert!(!text.is_empty() && !text.contains(['\n', '|']), "{what}: {text:?}");
                }
                let mut timing = (model.timing)();
                assert_eq!(timing.values()[index], param.default, "{what}");
                assert_eq!(timing.set(param.name, param.default), Ok(()), "{what}");
                // The ends of the range can be built, too.
                for value in [param.min, param.max] {
                    assert_eq!(timing.set(param.name, value), Ok(()), "{what}");
                    assert_eq!(timing.values()[index], value, "{what}");
                    timing.build(&[0x8000_0000]);
                }
                assert!(timing.set(param.name, param.max + 1).is_err(), "{what}");
                assert!(timing.set(param.name, param.min.wrapping_sub(1)).is_err(), "{what}");
                assert_eq!(timing.values()[index], param.max, "{what}: a refusal changes nothing");
            }
        }
    }

    #[test]
    fn refusals_say_why() {
        let mut rocket = Timing::by_name("rocket").unwrap();
        let mut refusal = |name, value| rocket.set(name, value).unwrap_err().to_string();
        assert_eq!(refusal("speed", 1), "the timing model rocket has no parameter speed");
        assert_eq!(
            refusal("btb_entries", 1),
            "btb_entries is fixed at 28 entries in the timing model rocket"
        );
        assert_eq!(refusal("l1d_sets", 8192), "l1d_sets takes 1 to 4096 sets, not 8192");
        assert_eq!(refusal("l1d_sets", 63), "l1d_sets takes powers of two, not 63");
        let refused = Timing::default().set("speed", 1).unwrap_err().to_string();
        assert_eq!(refused, "the timing model functional has no parameter speed");
        assert_eq!(Timing::by_name("toaster"), None);
    }
}
