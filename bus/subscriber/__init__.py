"""What a process makes of the publisher's messages: in order, gaps repaired. PROTOCOL.md section 3."""
