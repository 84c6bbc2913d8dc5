-- What witnesses have handed in: that they have seen a state of the log, and when.
CREATE TABLE log_cosignatures (
    -- Entries of the log then.
    size bigint NOT NULL,
    -- The key of the witness, as a vkey.
    witness text COLLATE "C" NOT NULL,
    -- Its line of the signed note.
    line text NOT NULL,
    -- When it was handed in.
    received_at timestamptz NOT NULL,
    PRIMARY KEY (size, witness)
);
