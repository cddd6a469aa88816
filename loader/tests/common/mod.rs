//! Writes small ELF files for tests: exactly what the test says, right or wrong.

// Each test file uses a part of this.
#![allow(dead_code)]

/// A program header.
#[derive(Debug, Clone)]
pub struct Program {
    pub p_type: u32,
    pub flags: u32,
    pub vaddr: u64,
    pub paddr: u64,
    pub data: Vec<u8>,
    pub mem_size: u64,
    /// Instead of the real place of `data`.
    pub offset: Option<u64>,
    /// Instead of the length of `data`.
    pub file_size: Option<u64>,
}

impl Program {
    /// A `PT_LOAD` with all permissions, virtual = physical.
    pub fn load(address: u64, data: &[u8]) -> Self {
        Self {
            p_type: 1,
            flags: 7,
            vaddr: address,
            paddr: address,
            data: data.to_vec(),
            mem_size: data.len() as u64,
            offset: None,
            file_size: None,
        }
    }

    pub fn vaddr(mut self, vaddr: u64) -> Self {
        self.vaddr = vaddr;
        self
    }

    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    pub fn mem_size(mut self, mem_size: u64) -> Self {
        self.mem_size = mem_size;
        self
    }

    pub fn p_type(mut self, p_type: u32) -> Self {
        self.p_type = p_type;
        self
    }
}

/// A section, after the null section; numbers count from 1.
#[derive(Debug, Clone)]
pub struct Section {
    pub name: &'static str,
    pub sh_type: u32,
    pub flags: u64,
    pub addr: u64,
    pub data: Vec<u8>,
    /// Instead of the length of `data`, for sections without bytes.
    pub size: Option<u64>,
    pub link: u32,
    pub entry_size: u64,
}

/// A symbol.
#[derive(Debug, Clone)]
pub struct Sym {
    pub name: &'static str,
    pub value: u64,
    pub size: u64,
    /// `STB_* << 4 | STT_*`.
    pub info: u8,
    pub section: u16,
}

pub const GLOBAL_FUNC: u8 = 0x12;
pub const LOCAL_FUNC: u8 = 0x02;
pub const GLOBAL_OBJECT: u8 = 0x11;
pub const GLOBAL_LABEL: u8 = 0x10;
pub const LOCAL_LABEL: u8 = 0x00;
pub const SHN_ABS: u16 = 0xfff1;

/// An ELF file.
#[derive(Debug, Clone)]
pub struct Elf {
    pub class: u8,
    pub data: u8,
    pub e_type: u16,
    pub machine: u16,
    pub flags: u32,
    pub entry: u64,
    pub programs: Vec<Program>,
    pub sections: Vec<Section>,
    pub symbols: Vec<Sym>,
}

impl Elf {
    /// A static RISC-V executable.
    pub fn new(entry: u64, programs: Vec<Program>) -> Self {
        Self {
            class: 2,
            data: 1,
            e_type: 2,
            machine: 243,
            flags: 5,
            entry,
            programs,
            sections: Vec::new(),
            symbols: Vec::new(),
        }
    }

    /// Adds a section with bytes that are not loaded.
    pub fn section(mut self, name: &'static str, sh_type: u32, data: Vec<u8>) -> Self {
        self.sections.push(Section {
            name,
            sh_type,
            flags: 0,
            addr: 0,
            data,
            size: None,
            link: 0,
            entry_size: 0,
        });
        self
    }

    /// Adds a section that says which addresses are allocated, without bytes.
    pub fn allocated(mut self, name: &'static str, addr: u64, size: u64) -> Self {
        let (sh_type, flags, data) = (8, 6, Vec::new());
        let size = Some(size);
        self.sections.push(Section { name, sh_type, flags, addr, data, size, link: 0, entry_size: 0 });
        self
    }

    pub fn symbol(mut self, name: &'static str, value: u64, size: u64, info: u8, section: u16) -> Self {
        self.symbols.push(Sym { name, value, size, info, section });
        self
    }

    /// The bytes of the file: header, program headers, segments, sections, section headers.
    pub fn build(&self) -> Vec<u8> {
        let mut sections = self.sections.clone();
        self.add_symbol_sections(&mut sections);
        let program_offset = 64;
        let mut body_offset = program_offset + 56 * self.programs.len() as u64;
        let mut program_table = Vec::new();
        let mut body = Vec::<u8>::new();
        for program in &self.programs {
            put32(&mut program_table, program.p_type);
            put32(&mut program_table, program.flags);
            put64(&mut program_table, program.offset.unwrap_or(body_offset));
            put64(&mut program_table, program.vaddr);
            put64(&mut program_table, program.paddr);
            put64(&mut program_table, program.file_size.unwrap_or(program.data.len() as u64));
            put64(&mut program_table, program.mem_size);
            put64(&mut program_table, 1);
            body.extend(&program.data);
            body_offset += program.data.len() as u64;
        }

        let mut names = vec![0];
        let mut section_table = vec![0; if sections.is_empty() { 0 } else { 64 }];
        if !sections.is_empty() {
            let data = Vec::new();
            sections.push(Section {
                name: ".shstrtab",
                sh_type: 3,
                flags: 0,
                addr: 0,
                data,
                size: None,
                link: 0,
                entry_size: 0,
            });
        }
        let count = sections.len();
        for (index, section) in sections.iter_mut().enumerate() {
            let name = names.len() as u32;
            names.extend(section.name.bytes().chain([0]));
            if index + 1 == count {
                section.data = names.clone();
            }
            put32(&mut section_table, name);
            put32(&mut section_table, section.sh_type);
            put64(&mut section_table, section.flags);
            put64(&mut section_table, section.addr);
            put64(&mut section_table, body_offset);
            put64(&mut section_table, section.size.unwrap_or(section.data.len() as u64));
            put32(&mut section_table, section.link);
            put32(&mut section_table, 1);
            put64(&mut section_table, 1);
            put64(&mut section_table, section.entry_size);
            body.extend(&section.data);
            body_offset += section.data.len() as u64;
        }

        let mut file = vec![0x7f, b'E', b'L', b'F', self.class, self.data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        put16(&mut file, self.e_type);
        put16(&mut file, self.machine);
        put32(&mut file, 1);
        put64(&mut file, self.entry);
        put64(&mut file, program_offset);
        put64(&mut file, if count == 0 { 0 } else { body_offset });
        put32(&mut file, self.flags);
        put16(&mut file, 64);
        put16(&mut file, 56);
        put16(&mut file, self.programs.len() as u16);
        put16(&mut file, 64);
        put16(&mut file, if count == 0 { 0 } else { count as u16 + 1 });
        put16(&mut file, count as u16);
        file.extend(program_table);
        file.extend(body);
        file.extend(section_table);
        file
    }

    fn add_symbol_sections(&self, sections: &mut Vec<Section>) {
        if self.symbols.is_empty() {
            return;
        }
        let mut strings = vec![0];
        let mut table = vec![0; 24];
        for symbol in &self.symbols {
            put32(&mut table, strings.len() as u32);
            table.push(symbol.info);
            table.push(0);
            put16(&mut table, symbol.section);
            put64(&mut table, symbol.value);
            put64(&mut table, symbol.size);
            strings.extend(symbol.name.bytes().chain([0]));
        }
        let link = sections.len() as u32 + 2;
        let none = Section {
            name: "",
            sh_type: 0,
            flags: 0,
            addr: 0,
            data: Vec::new(),
            size: None,
            link: 0,
            entry_size: 0,
        };
        sections.push(Section {
            name: ".symtab",
            sh_type: 2,
            data: table,
            link,
            entry_size: 24,
            ..none.clone()
        });
        sections.push(Section { name: ".strtab", sh_type: 3, data: strings, ..none });
    }
}

/// The header of a Linux `Image` with these fields, then `code_bytes` bytes of code.
pub fn linux_image(text_offset: u64, image_size: u64, flags: u64, code_bytes: usize) -> Vec<u8> {
    let mut file = Vec::new();
    put64(&mut file, 0);
    put64(&mut file, text_offset);
    put64(&mut file, image_size);
    put64(&mut file, flags);
    put32(&mut file, 2);
    put32(&mut file, 0);
    put64(&mut file, 0);
    file.extend(b"RISCV\0\0\0RSC\x05");
    put32(&mut file, 0);
    file.resize(64 + code_bytes, 0x13);
    file
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}
