//! Parameters of timing models: each model has one table, with unit, default, range, meaning and source.

/// Which values within its range a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All.
    Any,
    /// Powers of two: what selects by address bits, or divides a word.
    PowerOfTwo,
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamDef {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its value where nobody says another.
    pub default: u64,
    /// Smallest value that makes sense.
    pub min: u64,
    /// Largest value that makes sense.
    pub max: u64,
    /// Which values between them.
    pub shape: Shape,
    /// What it means.
    pub meaning: &'static str,
    /// Where the default comes from.
    pub source: &'static str,
}

/// A number that a model is built on and that cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedDef {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its value.
    pub value: u64,
    /// What it means.
    pub meaning: &'static str,
    /// Where the value comes from.
    pub source: &'static str,
}

/// Why a parameter could not be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamError {
    /// The model has no parameter of that name.
    Unknown {
        /// The model.
        model: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The model has that number, but is built on it.
    Fixed {
        /// The model.
        model: &'static str,
        /// The number.
        fixed: FixedDef,
    },
    /// The value is out of range.
    Range {
        /// The parameter.
        param: ParamDef,
        /// What was asked for.
        value: u64,
    },
    /// The value is in range, but no power of two.
    NoPowerOfTwo {
        /// The parameter.
        param: ParamDef,
        /// What was asked for.
        value: u64,
    },
}

impl ParamDef {
    /// Whether the parameter takes `value`.
    ///
    /// # Errors
    /// [`ParamError::Range`], [`ParamError::NoPowerOfTwo`].
    pub const fn admits(self, value: u64) -> Result<(), ParamError> {
        if value < self.min || value > self.max {
            return Err(ParamError::Range { param: self, value });
        }
        match self.shape {
            Shape::PowerOfTwo if !value.is_power_of_two() => {
                Err(ParamError::NoPowerOfTwo { param: self, value })
            }
            Shape::Any | Shape::PowerOfTwo => Ok(()),
        }
    }

    /// The values that it takes, in words.
    pub fn range(&self) -> String {
        match self.shape {
            Shape::Any => format!("{} to {}", self.min, self.max),
            Shape::PowerOfTwo => format!("{} to {}, 2^n", self.min, self.max),
        }
    }
}

impl std::fmt::Display for ParamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { model, name } => {
                write!(f, "the timing model {model} has no parameter {name}")
            }
            Self::Fixed { model, fixed } => {
                write!(
                    f,
                    "{} is fixed at {} {} in the timing model {model}",
                    fixed.name, fixed.value, fixed.unit
                )
            }
            Self::Range { param, value } => {
                write!(f, "{} takes {} to {} {}, not {value}", param.name, param.min, param.max, param.unit)
            }
            Self::NoPowerOfTwo { param, value } => {
                write!(f, "{} takes powers of two, not {value}", param.name)
            }
        }
    }
}

impl std::error::Error for ParamError {}

/// The values of a model's parameters. Made by the macro `params`, never by hand.
pub trait Parameters: Clone + Default + PartialEq + Eq + std::fmt::Debug {
    /// Every parameter, in the order in which it is shown.
    const TABLE: &'static [ParamDef];
    /// What cannot be set.
    const FIXED: &'static [FixedDef];

    /// The values, in the order of the table.
    fn values(&self) -> Vec<u64>;

    /// The value of parameter number `index`. Who sets it asks [`ParamDef::admits`] first.
    fn value_mut(&mut self, index: usize) -> Option<&mut u64>;
}

macro_rules! shape {
    () => {
        $crate::params::Shape::Any
    };
    (power_of_two) => {
        $crate::params::Shape::PowerOfTwo
    };
}

/// Makes `Params` from two lists: what can be set, and what is fixed.
///
/// A row of the first is `name: "unit" = default, min..=max [power_of_two], "meaning", "source";`, one of the
/// second `name: "unit" = value, "meaning", "source";`.
macro_rules! params {
    (
        parameters {$(
            $name:ident: $unit:literal = $default:literal, $min:literal ..= $max:literal $($shape:ident)?,
            $meaning:literal, $source:literal;
        )*}
        fixed {$(
            $fixed:ident: $fixed_unit:literal = $value:expr, $fixed_meaning:literal, $fixed_source:literal;
        )*}
    ) => {
        /// The model's parameters; the table says what they mean.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Params {
            $(#[doc = $meaning] pub $name: u64,)*
        }

        impl Default for Params {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $crate::params::Parameters for Params {
            const TABLE: &'static [$crate::params::ParamDef] = &[
                $($crate::params::ParamDef {
                    name: stringify!($name),
                    unit: $unit,
                    default: $default,
                    min: $min,
                    max: $max,
                    shape: $crate::params::shape!($($shape)?),
                    meaning: $meaning,
                    source: $source,
                },)*
            ];
            const FIXED: &'static [$crate::params::FixedDef] = &[
                $($crate::params::FixedDef {
                    name: stringify!($fixed),
                    unit: $fixed_unit,
                    value: $value as u64,
                    meaning: $fixed_meaning,
                    source: $fixed_source,
                },)*
            ];

            fn values(&self) -> Vec<u64> {
                vec![$(self.$name),*]
            }

            fn value_mut(&mut self, index: usize) -> Option<&mut u64> {
                [$(&mut self.$name),*].into_iter().nth(index)
            }
        }
    };
}

pub(crate) use {params, shape};
