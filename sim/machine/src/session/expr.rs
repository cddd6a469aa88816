//! Expressions over the state of a hart: conditions of stops, and what `print` shows.
//!
//! Integers of 64 bits with the operators of C at their precedences, all unsigned; `>>` shifts zeros in, a shift by 64
//! or more leaves nothing. Names are registers (`a0`, `x10`, `pc`), `cycle`, `instret`, `hart`, `priv`, CSRs, and
//! whatever else the caller knows (symbols). `mem8(ADDRESS)` to `mem64(ADDRESS)` read memory by virtual address.

use relsim_core::bus::Bus;
use relsim_core::csr::CsrTable;
use relsim_core::hart::Hart;
use relsim_core::pmp::AccessKind;

/// The names of the integer registers by their use (RISC-V ELF psABI, "Integer Register Convention").
pub const REGISTERS: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/// Deepest nesting that is parsed.
const MAX_DEPTH: u32 = 64;

/// The integer register called `name`.
pub fn register(name: &str) -> Option<u8> {
    if name == "fp" {
        return Some(8);
    }
    let number = || name.strip_prefix('x')?.parse().ok().filter(|&n: &u8| n < 32);
    REGISTERS.iter().position(|&r| r == name).map(|n| n as u8).or_else(number)
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Where, in bytes from its start.
    pub at: usize,
    /// What, and what was expected.
    pub message: String,
}

/// Why an expression has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// Division, or remainder, by zero.
    #[error("a division by zero")]
    Division,
    /// Memory that cannot be read.
    #[error("there is no memory that can be read at {0:#x}")]
    Memory(u64),
    /// A CSR that the hart does not have.
    #[error("the hart has no CSR {0:#x}")]
    Csr(u16),
}

/// The state that an expression is about.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The hart.
    pub hart: &'a Hart,
    /// Everything else.
    pub bus: &'a Bus,
    /// Address of the instruction at hand.
    pub pc: u64,
    /// Instructions retired before.
    pub instret: u64,
    /// Core cycle.
    pub cycle: u64,
}

impl<'a> Moment<'a> {
    /// A hart between two instructions.
    pub fn of(hart: &'a Hart, bus: &'a Bus) -> Self {
        Self { hart, bus, pc: hart.pc, instret: hart.instret, cycle: hart.cycle }
    }

    /// The `size` bytes (1, 2, 4 or 8) at virtual address `va`, little-endian.
    pub fn memory(&self, va: u64, size: u8) -> Option<u64> {
        (0..u64::from(size)).try_fold(0, |value, n| {
            let va = va.wrapping_add(n);
            let privilege = self.hart.data_privilege();
            let walk = self.hart.walk(self.bus, va, AccessKind::Load, privilege).ok()?;
            let byte = self.bus.fetch(walk.pa & !1).ok()? >> (8 * (walk.pa & 1)) & 0xff;
            Some(value | u64::from(byte) << (8 * n))
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Number(u64),
    Register(u8),
    Pc,
    Cycle,
    Instret,
    Hart,
    Privilege,
    Csr(u16),
    /// Bytes.
    Memory(u8),
    Not,
    Complement,
    Negate,
    Binary(Binary),
    /// Condition, and two values.
    Choose,
}

macro_rules! binaries {
    ($($name:ident $text:literal $level:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Binary { $($name),* }
        /// Longer ones first.
        const BINARIES: &[(&str, u8, Binary)] = &[$(($text, $level, Binary::$name)),*];
    };
}
binaries! {
    Shl "<<" 8; Shr ">>" 8; Le "<=" 7; Ge ">=" 7; Eq "==" 6; Ne "!=" 6; AndAlso "&&" 2; OrElse "||" 1;
    Mul "*" 10; Div "/" 10; Rem "%" 10; Add "+" 9; Sub "-" 9; Lt "<" 7; Gt ">" 7; And "&" 5; Xor "^" 4; Or "|" 3;
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// Operands before their operators.
    words: Vec<Word>,
}

/// What else has a name: the value of a symbol.
pub type Resolver<'a> = &'a dyn Fn(&str) -> Option<u64>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    csrs: &'a CsrTable,
    resolver: Resolver<'a>,
    words: Vec<Word>,
}

impl Parser<'_> {
    fn rest(&mut self) -> &str {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, ExprError> {
        Err(ExprError { at: self.at, message: message.into() })
    }

    fn take(&mut self, text: &str) -> bool {
        let taken = self.rest().starts_with(text);
        self.at += if taken { text.len() } else { 0 };
        taken
    }

    fn expect(&mut self, text: &str) -> Result<(), ExprError> {
        if self.take(text) { Ok(()) } else { self.fail(format!("expected {text:?}")) }
    }

    fn expression(&mut self, depth: u32) -> Result<(), ExprError> {
        self.binary(1, depth)?;
        if self.take("?") {
            self.expression(self.deeper(depth)?)?;
            self.expect(":")?;
            self.expression(self.deeper(depth)?)?;
            self.words.push(Word::Choose);
        }
        Ok(())
    }

    fn deeper(&self, depth: u32) -> Result<u32, ExprError> {
        if depth >= MAX_DEPTH { self.fail("this is nested too deeply") } else { Ok(depth + 1) }
    }

    fn binary(&mut self, least: u8, depth: u32) -> Result<(), ExprError> {
        let depth = self.deeper(depth)?;
        self.unary(depth)?;
        loop {
            let rest = self.rest();
            // The longest first: `&&` does not begin with `&`, whatever binds closer.
            let next = BINARIES.iter().find(|(text, ..)| rest.starts_with(text));
            let Some(&(text, level, operator)) = next.filter(|(_, level, _)| *level >= least) else {
                return Ok(());
            };
            self.at += text.len();
            self.binary(level + 1, depth)?;
            self.words.push(Word::Binary(operator));
        }
    }

    fn unary(&mut self, depth: u32) -> Result<(), ExprError> {
        let depth = self.deeper(depth)?;
        for (text, word) in [("!", Word::Not), ("~", Word::Complement), ("-", Word::Negate)] {
            if self.take(text) {
                self.unary(depth)?;
                self.words.push(word);
                return Ok(());
            }
        }
        if self.take("+") {
            return self.unary(depth);
        }
        if self.take("(") {
            self.expression(depth)?;
            return self.expect(")");
        }
        self.name_or_number(depth)
    }

    fn name_or_number(&mut self, depth: u32) -> Result<(), ExprError> {
        let rest = self.rest();
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
        let mut len = 0;
        while let Some(c) = rest[len..].chars().next() {
            // A single colon belongs to `? :`, two to a path.
            len += match c {
                _ if inside(c) => c.len_utf8(),
                ':' if rest[len..].starts_with("::") => 2,
                _ => break,
            };
        }
        let word = rest[..len].to_string();
        if word.is_empty() {
            return self.fail("expected a number, a name or an opening parenthesis");
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let Some(number) = number(&word) else {
                return self.fail(format!("{word:?} is no number of 64 bits"));
            };
            self.words.push(Word::Number(number));
        } else if let Some(size) = memory_bytes(&word) {
            self.at += len;
            self.expect("(")?;
            self.expression(depth)?;
            self.words.push(Word::Memory(size));
            return self.expect(")");
        } else {
            let Some(named) = self.named(word.strip_prefix('$').unwrap_or(&word)) else {
                return self.fail(format!("{word:?} is no register, CSR or symbol"));
            };
            self.words.push(named);
        }
        self.at += len;
        Ok(())
    }

    fn named(&self, name: &str) -> Option<Word> {
        Some(match name {
            "pc" => Word::Pc,
            "cycle" => Word::Cycle,
            "instret" => Word::Instret,
            "hart" => Word::Hart,
            "priv" => Word::Privilege,
            _ => {
                let csr = || self.csrs.by_name(name).map(|def| Word::Csr(def.num));
                let symbol = || (self.resolver)(name).map(Word::Number);
                register(name).map(Word::Register).or_else(csr).or_else(symbol)?
            }
        })
    }
}

/// A number in the notation of C, or in binary after `0b`.
pub fn number(text: &str) -> Option<u64> {
    let text = text.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0b", 2), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix).ok();
        }
    }
    text.parse().ok()
}

fn memory_bytes(name: &str) -> Option<u8> {
    Some(match name {
        "mem8" => 1,
        "mem16" => 2,
        "mem32" => 4,
        "mem64" => 8,
        _ => return None,
    })
}

impl Expr {
    /// Parses `text`, for a hart with `csrs`; `resolver` knows further names.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str, csrs: &CsrTable, resolver: Resolver<'_>) -> Result<Self, ExprError> {
        let mut parser = Parser { text, at: 0, csrs, resolver, words: Vec::new() };
        parser.expression(0)?;
        if !parser.rest().is_empty() {
            return parser.fail("expected an operator or the end");
        }
        Ok(Self { words: parser.words })
    }

    /// Its value at `moment`.
    ///
    /// # Errors
    /// [`NoValue`].
    pub fn value(&self, moment: &Moment<'_>) -> Result<u64, NoValue> {
        let mut stack: Vec<u64> = Vec::with_capacity(8);
        for word in &self.words {
            let mut pop = || stack.pop().unwrap_or(0);
            let value = match *word {
                Word::Number(number) => number,
                Word::Register(r) => moment.hart.x(r),
                Word::Pc => moment.pc,
                Word::Cycle => moment.cycle,
                Word::Instret => moment.instret,
                Word::Hart => moment.hart.config.id as u64,
                Word::Privilege => moment.hart.privilege as u64,
                Word::Csr(num) => moment.hart.peek_csr(moment.bus, num).ok_or(NoValue::Csr(num))?,
                Word::Memory(size) => {
                    let at = pop();
                    moment.memory(at, size).ok_or(NoValue::Memory(at))?
                }
                Word::Not => u64::from(pop() == 0),
                Word::Complement => !pop(),
                Word::Negate => pop().wrapping_neg(),
                Word::Binary(operator) => {
                    let (b, a) = (pop(), pop());
                    operator.apply(a, b)?
                }
                Word::Choose => {
                    let (no, yes, condition) = (pop(), pop(), pop());
                    if condition != 0 { yes } else { no }
                }
            };
            stack.push(value);
        }
        Ok(stack.pop().unwrap_or(0))
    }
}

impl Binary {
    fn apply(self, a: u64, b: u64) -> Result<u64, NoValue> {
        let shift =
            |by: fn(u64, u32) -> Option<u64>| u32::try_from(b).ok().and_then(|b| by(a, b)).unwrap_or(0);
        Ok(match self {
            Self::Mul => a.wrapping_mul(b),
            Self::Div => a.checked_div(b).ok_or(NoValue::Division)?,
            Self::Rem => a.checked_rem(b).ok_or(NoValue::Division)?,
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Shl => shift(u64::checked_shl),
            Self::Shr => shift(u64::checked_shr),
            Self::Lt => u64::from(a < b),
            Self::Le => u64::from(a <= b),
            Self::Gt => u64::from(a > b),
            Self::Ge => u64::from(a >= b),
            Self::Eq => u64::from(a == b),
            Self::Ne => u64::from(a != b),
            Self::And => a & b,
            Self::Xor => a ^ b,
            Self::Or => a | b,
            Self::AndAlso => u64::from(a != 0 && b != 0),
            Self::OrElse => u64::from(a != 0 || b != 0),
        })
    }
}
