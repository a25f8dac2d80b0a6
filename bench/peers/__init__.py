"""Other servers on the same graph and the same work, one file each, in environments of their own: see `install.sh`.

What runs there, `work` and the servers, imports of this repository nothing else but `app.classes` and `app.latents`.
"""
