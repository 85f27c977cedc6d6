"""Task queues side by side: one client, W workers, a task that does nothing."""
