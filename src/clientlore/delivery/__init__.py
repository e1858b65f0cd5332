"""Mail on its way: the outbox, the transports and the sender. Claimed before it is sent, and never sent blindly twice.

Not here: what a mail says (`digests`).
"""
