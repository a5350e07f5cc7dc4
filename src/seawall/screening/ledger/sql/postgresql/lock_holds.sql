-- Waits for those who are changing holds, and keeps others from it until the transaction ends.
LOCK TABLE screening_hold IN SHARE MODE
