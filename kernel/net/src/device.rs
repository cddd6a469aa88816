//! The network device as the stack has it.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::virtio::{Frame, MAX_FRAME_BYTES, Nic, Receiver, Transmitter};

/// A frame that has come. Its buffer goes back to the device with it.
pub struct Received<'a> {
    receiver: &'a mut Receiver,
    frame: Frame,
}

/// Room for a frame.
pub struct Room<'a>(&'a mut Transmitter);

impl RxToken for Received<'_> {
    #[inline(always)]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.receiver.bytes(&self.frame))
    }
}

impl Drop for Received<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.receiver.give_back(&self.frame);
    }
}

impl TxToken for Room<'_> {
    #[inline(always)]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.0.send(len, fill)
    }
}

impl Device for Nic {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    #[inline(always)]
    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Room<'_>)> {
        if !self.transmitter.has_room() {
            return None;
        }
        let frame = self.receiver.take()?;
        Some((Received { receiver: &mut self.receiver, frame }, Room(&mut self.transmitter)))
    }

    #[inline(always)]
    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        self.transmitter.has_room().then_some(Room(&mut self.transmitter))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME_BYTES;
        capabilities
    }
}
