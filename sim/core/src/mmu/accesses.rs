//! The data accesses of instructions: loads, stores, atomics, by virtual and by physical address.

use super::Mmu;
use super::walk::{access_fault, misaligned};
use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::insn::{Done, Op, Stop};
use crate::pmp::AccessKind;
use crate::ram::{PAGE_BYTES, Scalar};
use crate::timing::Fact;
use crate::trap::Cause;

impl Hart {
    /// Reads a `T` at virtual address `va`.
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised; [`Stop::Alone`] before a device access.
    #[inline(always)]
    pub fn load<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64) -> Result<T, Stop> {
        let entry = self.mmu.read[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            self.note(op, Fact { a: va, b: pa });
            if let Some(value) = bus.ram.get::<T>(pa) {
                return Ok(value);
            }
        }
        self.load_slow::<T>(bus, op, va)
    }

    /// Reads a `T` at virtual address `va` and hands it to `put`: what load instructions do. The slow path
    /// ends in `put` too, so that the fast one needs no frame.
    ///
    /// # Errors
    /// As [`Hart::load`].
    #[inline(always)]
    pub fn load_then<T: Scalar>(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        put: impl Fn(&mut Self, &Op, T) + Copy,
    ) -> Done {
        let entry = self.mmu.read[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            self.note(op, Fact { a: va, b: pa });
            if let Some(value) = bus.ram.get::<T>(pa) {
                put(self, op, value);
                return Ok(());
            }
        }
        self.load_then_slow(bus, op, va, put)
    }

    #[cold]
    #[inline(never)]
    fn load_then_slow<T: Scalar>(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        put: impl Fn(&mut Self, &Op, T),
    ) -> Done {
        let value = self.load_slow::<T>(bus, op, va)?;
        put(self, op, value);
        Ok(())
    }

    /// Writes a `T` at virtual address `va`.
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised; [`Stop::Alone`] before a device access; [`Stop::Exit`] when
    /// the store is done and the loop has to look around.
    #[inline(always)]
    pub fn store<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64, value: T) -> Done {
        let entry = self.mmu.write[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            self.note(op, Fact { a: va, b: pa });
            let at = pa.wrapping_sub(bus.ram.base()) as usize;
            if T::put(bus.ram.bytes_mut(), at, value) {
                return Ok(());
            }
        }
        self.store_slow::<T>(bus, op, va, value)
    }

    #[cold]
    #[inline(never)]
    fn load_slow<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64) -> Result<T, Stop> {
        if !va.is_multiple_of(T::BYTES as u64) {
            let mut bytes = [0u8; 8];
            self.misaligned_access(bus, op, va, T::BYTES, AccessKind::Load, |bus, n, pa| {
                bytes[n] = bus.ram.get(pa)?;
                Some(false)
            })?;
            return Ok(T::from_u64(u64::from_le_bytes(bytes)));
        }
        let pa = self.data_address(bus, va, T::BYTES, AccessKind::Load)?;
        self.note(op, Fact { a: va, b: pa });
        if let Some(value) = bus.ram.get::<T>(pa) {
            self.fill(va, pa, AccessKind::Load);
            return Ok(value);
        }
        if !bus.is_memory(pa) {
            self.want_alone()?;
        }
        bus.now = self.cycle_at(op);
        bus.read::<T>(self.config.id, pa).map_err(|_| self.raise(Cause::LoadAccess, va))
    }

    #[cold]
    #[inline(never)]
    fn store_slow<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, va: u64, value: T) -> Done {
        if !va.is_multiple_of(T::BYTES as u64) {
            let bytes = value.to_u64().to_le_bytes();
            let on_code =
                self.misaligned_access(bus, op, va, T::BYTES, AccessKind::Store, |bus, n, pa| {
                    bus.ram.put(pa, bytes[n])
                })?;
            return if on_code { Err(Stop::Exit) } else { Ok(()) };
        }
        let pa = self.data_address(bus, va, T::BYTES, AccessKind::Store)?;
        self.note(op, Fact { a: va, b: pa });
        if let Some(on_code) = bus.ram.put(pa, value) {
            // Pages with code stay on this path, so that a store to code is always seen.
            if !bus.ram.page_has_code(pa) {
                self.fill(va, pa, AccessKind::Store);
            }
            return if on_code { Err(Stop::Exit) } else { Ok(()) };
        }
        self.want_alone()?;
        bus.now = self.cycle_at(op);
        match bus.write::<T>(self.config.id, pa, value) {
            Ok(_) => Err(Stop::Exit),
            Err(_) => Err(self.raise(Cause::StoreAccess, va)),
        }
    }

    fn want_alone(&mut self) -> Done {
        self.mmu.touched_device |= self.mmu.alone;
        if self.mmu.alone { Ok(()) } else { Err(Stop::Alone) }
    }

    fn data_address(&mut self, bus: &mut Bus, va: u64, len: usize, kind: AccessKind) -> Result<u64, Stop> {
        let privilege = self.data_privilege();
        self.translate(bus, va, len as u64, kind, privilege).map_err(|cause| self.raise(cause, va))
    }
    /// A misaligned access to memory, byte by byte; all translations come first, so that a fault on the
    /// second page leaves no half-done store.
    fn misaligned_access(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        len: usize,
        kind: AccessKind,
        mut byte: impl FnMut(&mut Bus, usize, u64) -> Option<bool>,
    ) -> Result<bool, Stop> {
        if !self.config.misaligned_ok {
            return Err(self.raise(misaligned(kind), va));
        }
        let in_page = (PAGE_BYTES - va % PAGE_BYTES).min(len as u64) as usize;
        let first = self.data_address(bus, va, in_page, kind)?;
        let mut second = first;
        if in_page < len {
            let next = va.wrapping_add(in_page as u64);
            second = self.data_address(bus, next, len - in_page, kind)?;
        }
        self.note(op, Fact { a: va, b: first });
        let address = |n: usize| {
            if n < in_page { first + n as u64 } else { second + (n - in_page) as u64 }
        };
        if !(0..len).all(|n| bus.ram.contains(address(n), 1)) {
            return Err(self.raise(access_fault(kind), va));
        }
        let mut on_code = false;
        for n in 0..len {
            on_code |= byte(bus, n, address(n)).unwrap_or(false);
        }
        Ok(on_code)
    }

    /// The physical address of an atomic access, which must be aligned; faults are those of stores unless
    /// it is a load-reserved.
    fn atomic_address<T: Scalar>(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        kind: AccessKind,
    ) -> Result<u64, Stop> {
        if !va.is_multiple_of(T::BYTES as u64) {
            // No platform splits atomics; the two causes are equally right (unprivileged 13.4), and
            // a misaligned exception tells the handler more.
            return Err(self.raise(misaligned(kind), va));
        }
        let pa = self.data_address(bus, va, T::BYTES, kind)?;
        self.note(op, Fact { a: va, b: pa });
        Ok(pa)
    }

    /// A translated atomic read-modify-write: gives the old value, and whether the loop has to look
    /// around afterwards.
    ///
    /// # Errors
    /// As [`Hart::store`].
    pub fn amo_raw<T: Scalar>(
        &mut self,
        bus: &mut Bus,
        op: &Op,
        va: u64,
        update: impl FnOnce(T) -> T,
    ) -> Result<(T, bool), Stop> {
        let entry = self.mmu.write[Mmu::slot(va)];
        if entry.tag == self.mmu.tag::<T>(va) {
            let pa = va.wrapping_add(entry.addend);
            if let Some(old) = bus.ram.get::<T>(pa) {
                self.note(op, Fact { a: va, b: pa });
                let at = pa.wrapping_sub(bus.ram.base()) as usize;
                T::put(bus.ram.bytes_mut(), at, update(old));
                return Ok((old, false));
            }
        }
        let pa = self.atomic_address::<T>(bus, op, va, AccessKind::Store)?;
        if let Some(old) = bus.ram.get::<T>(pa) {
            let on_code = bus.ram.put(pa, update(old)).unwrap_or(false);
            if !bus.ram.page_has_code(pa) {
                self.fill(va, pa, AccessKind::Store);
            }
            return Ok((old, on_code));
        }
        self.want_alone()?;
        bus.now = self.cycle_at(op);
        let id = self.config.id;
        let done = bus.read::<T>(id, pa).and_then(|old| bus.write::<T>(id, pa, update(old)).map(|_| old));
        done.map(|old| (old, true)).map_err(|_| self.raise(Cause::StoreAccess, va))
    }

    /// An AMO: address in rs1, operand in rs2, old value (sign-extended) to rd.
    ///
    /// # Errors
    /// As [`Hart::store`].
    #[inline]
    pub fn amo<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, update: impl FnOnce(T, T) -> T) -> Done {
        let operand = T::from_u64(self.x(op.rs2));
        let (old, exit) = self.amo_raw::<T>(bus, op, self.x(op.rs1), |old| update(old, operand))?;
        self.set_x(op.rd, sign_extend(old));
        if exit { Err(Stop::Exit) } else { Ok(()) }
    }

    /// `lr`: address in rs1, value (sign-extended) to rd. Only memory can be reserved.
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised.
    pub fn load_reserved<T: Scalar>(&mut self, bus: &mut Bus, op: &Op) -> Done {
        let va = self.x(op.rs1);
        let pa = self.atomic_address::<T>(bus, op, va, AccessKind::Load)?;
        let Some(value) = bus.ram.get::<T>(pa) else { return Err(self.raise(Cause::LoadAccess, va)) };
        self.reservation = Some(pa);
        self.set_x(op.rd, sign_extend(value));
        Ok(())
    }

    /// `sc`: address in rs1, value in rs2, 0 to rd on success and 1 on failure.
    ///
    /// # Errors
    /// As [`Hart::store`].
    pub fn store_conditional<T: Scalar>(&mut self, bus: &mut Bus, op: &Op) -> Done {
        let va = self.x(op.rs1);
        let pa = self.atomic_address::<T>(bus, op, va, AccessKind::Store)?;
        let held = self.reservation.take() == Some(pa);
        let mut on_code = false;
        if held {
            let Some(hit) = bus.ram.put(pa, T::from_u64(self.x(op.rs2))) else {
                return Err(self.raise(Cause::StoreAccess, va));
            };
            on_code = hit;
        } else if !bus.ram.contains(pa, T::BYTES as u64) {
            return Err(self.raise(Cause::StoreAccess, va));
        }
        self.set_x(op.rd, u64::from(!held));
        if on_code { Err(Stop::Exit) } else { Ok(()) }
    }

    /// Checks that a store to `va` would be allowed, without storing (cache-block operations).
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fault raised.
    pub fn probe_store(&mut self, bus: &mut Bus, op: &Op, va: u64) -> Done {
        let pa = self.data_address(bus, va, 1, AccessKind::Store)?;
        self.note(op, Fact { a: va, b: pa });
        Ok(())
    }

    /// Whether PMP lets an extension's own access through: it acts for the kernel that set it up, so with
    /// the rights of S-mode, or of M-mode when executed there.
    fn physical_allowed(&self, pa: u64, len: usize, kind: AccessKind) -> bool {
        pa.is_multiple_of(len as u64) && self.pmp.allows(pa, len as u64, kind, self.privilege.max(Priv::S))
    }

    /// A read at a physical address, outside translation, with the rights of the kernel (extensions).
    ///
    /// # Errors
    /// [`Stop::Trap`] with a load access fault; [`Stop::Alone`] before a device access.
    pub fn load_physical<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, pa: u64) -> Result<T, Stop> {
        if !self.physical_allowed(pa, T::BYTES, AccessKind::Load) {
            return Err(self.raise(Cause::LoadAccess, pa));
        }
        self.note(op, Fact { a: pa, b: pa });
        let value = match bus.ram.get::<T>(pa) {
            Some(value) => value,
            None => {
                self.want_alone()?;
                bus.now = self.cycle_at(op);
                bus.read::<T>(self.config.id, pa).map_err(|_| self.raise(Cause::LoadAccess, pa))?
            }
        };
        self.physical.push(pa, false);
        Ok(value)
    }

    /// A write at a physical address; otherwise as [`Hart::load_physical`].
    ///
    /// # Errors
    /// [`Stop::Trap`] with a store access fault; [`Stop::Alone`] before a device access; [`Stop::Exit`]
    /// after one.
    pub fn store_physical<T: Scalar>(&mut self, bus: &mut Bus, op: &Op, pa: u64, value: T) -> Done {
        if !self.physical_allowed(pa, T::BYTES, AccessKind::Store) {
            return Err(self.raise(Cause::StoreAccess, pa));
        }
        self.note(op, Fact { a: pa, b: pa });
        if let Some(on_code) = bus.ram.put(pa, value) {
            self.physical.push(pa, true);
            return if on_code { Err(Stop::Exit) } else { Ok(()) };
        }
        self.want_alone()?;
        bus.now = self.cycle_at(op);
        match bus.write::<T>(self.config.id, pa, value) {
            Ok(_) => {
                self.physical.push(pa, true);
                Err(Stop::Exit)
            }
            Err(_) => Err(self.raise(Cause::StoreAccess, pa)),
        }
    }
}

/// The value of a scalar as the loads and AMOs of its size extend it.
#[inline(always)]
pub fn sign_extend<T: Scalar>(value: T) -> u64 {
    let shift = 64 - 8 * T::BYTES as u32;
    ((value.to_u64() << shift) as i64 >> shift) as u64
}
