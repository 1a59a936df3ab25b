"""Step 2: decode each video once and store its clip: labelled videos in, TFRecord shards out."""
