"""A build has several images: firmware, models, a bootloader; an artifact knows its format, slot, ABI and signature."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("build", schema=None) as batch_op:
        batch_op.add_column(sa.Column("artifacts", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.add_column(sa.Column("format", sa.String(length=10), nullable=False, server_default="bin"))
        batch_op.add_column(sa.Column("slot", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("abi", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("signature", sa.String(length=120), nullable=True))
    # Until now every build made one image, firmware in its slot.
    op.execute("UPDATE artifact SET slot = 'firmware'")
    _list_artifacts()
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.alter_column("format", server_default=None)


def _list_artifacts() -> None:
    build = sa.table(
        "build",
        sa.column("seq", sa.Integer),
        sa.column("artifact_sha256", sa.String),
        sa.column("artifacts", sa.JSON(none_as_null=True)),
    )
    artifact = sa.table("artifact", sa.column("sha256", sa.String), sa.column("size", sa.Integer))
    connection = op.get_bind()
    joined = sa.join(build, artifact, build.c.artifact_sha256 == artifact.c.sha256)
    found = connection.execute(sa.select(build.c.seq, artifact.c.sha256, artifact.c.size).select_from(joined)).all()
    for seq, sha256, size in found:
        image = {
            "sha256": sha256,
            "kind": "firmware",
            "format": "bin",
            "file": "firmware.bin",
            "slot": "firmware",
            "size": size,
        }
        connection.execute(sa.update(build).where(build.c.seq == seq).values(artifacts=[image]))


def downgrade() -> None:
    """Take back: what is no firmware is forgotten, and so are builds that made none."""
    op.execute("DELETE FROM build WHERE artifact_sha256 IN (SELECT sha256 FROM artifact WHERE kind <> 'firmware')")
    op.execute("DELETE FROM artifact WHERE kind <> 'firmware'")
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.drop_column("signature")
        batch_op.drop_column("abi")
        batch_op.drop_column("slot")
        batch_op.drop_column("format")
    with op.batch_alter_table("build", schema=None) as batch_op:
        batch_op.drop_column("artifacts")
