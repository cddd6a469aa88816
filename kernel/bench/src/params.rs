//! What is to be measured: words `KEY=VALUE` on the kernel command line.

use kernel_root::platform;
use kernel_user::abi::BootInfo;

/// The command line.
#[derive(Debug, Clone, Copy)]
pub struct Params(&'static str);

/// What is wrong with the command line: the parameter.
#[derive(Debug, Clone, Copy)]
pub struct Unknown(pub &'static str);

impl Params {
    /// The command line in the device tree; empty if there is none.
    #[must_use]
    pub fn new(info: &'static BootInfo) -> Self {
        let tree = fdt::Fdt::new(platform::device_tree(info)).ok();
        Self(tree.and_then(|tree| tree.chosen().bootargs()).unwrap_or(""))
    }

    /// What `key` is set to; the last time counts.
    #[must_use]
    pub fn get(self, key: &str) -> Option<&'static str> {
        let values = self.0.split_whitespace().filter_map(|word| word.split_once('='));
        values.rev().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The number that `key` is set to, or `default`.
    pub fn number(self, key: &'static str, default: u64) -> Result<u64, Unknown> {
        self.get(key).map_or(Ok(default), |value| value.parse().map_err(|_| Unknown(key)))
    }

    /// What goes with the value of `key` among `choices`; the first of them without one.
    pub fn choice<T: Copy>(self, key: &'static str, choices: &[(&str, T)]) -> Result<T, Unknown> {
        let value = self.get(key).unwrap_or(choices[0].0);
        choices.iter().find(|(name, _)| *name == value).map(|&(_, choice)| choice).ok_or(Unknown(key))
    }
}
