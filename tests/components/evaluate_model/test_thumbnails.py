import base64

import simplejpeg

from components.contract.clips import read_clips
from components.evaluate_model.thumbnails import strips_of


def test_each_strip_shows_its_own_video_and_all_frames_of_its_clip(lab):
    folder, _ = lab.clips()
    videos = [f"v_{index}_test_g{group:02}.avi" for group in (3, 0) for index in (5, 0, 2)]

    strips = strips_of(folder, read_clips(folder), "test", videos=videos)

    assert sorted(strips) == sorted(videos)
    for video, strip in strips.items():
        picture = simplejpeg.decode_jpeg(base64.b64decode(strip.jpeg))
        assert picture.shape == (strip.height, strip.n_frames * strip.width, 3) == (16, 3 * 24, 3)
        assert abs(picture.mean() - (20 + 30 * int(video[2]))) < 2
