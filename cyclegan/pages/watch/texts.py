"""The sentences of the page Watch it learn, and the names of losses."""

from cyclegan.pages.languages import Text

TAB = Text("Watch it learn", "학습 과정 보기", "观看学习过程")
INTRO = Text(
    "An epoch is once through all training pictures. How good are they after one, after ten, at the end? Drag "
    "the slider or play.",
    "에포크는 학습용 그림 전체를 한 번 훑는 것입니다. 한 번, 열 번, 그리고 학습이 끝난 뒤에는 얼마나 잘할까요? "
    "슬라이더를 움직이거나 재생을 눌러 보세요.",
    "一轮就是把全部训练图像学习一遍。训练一轮、十轮、直到结束，效果分别如何？拖动滑块或点击播放。",
)
KEPT = Text(
    "Your picture: only epochs whose networks are kept, {count} in all.",
    "내 그림: 신경망이 저장된 {count}개 에포크만 볼 수 있습니다.",
    "你的图片：仅限保存了网络的 {count} 个轮次。",
)
EXAMPLES = Text("Examples: every epoch.", "예시: 모든 에포크를 볼 수 있습니다.", "示例：包含所有轮次。")
SAMPLES = Text(
    "Test pictures of the training. Choose a picture to watch your own.",
    "학습 중 만든 테스트 그림입니다. 그림을 선택하면 내 그림으로 볼 수 있습니다.",
    "训练时的测试图像。选择图片即可观看自己的结果。",
)
SIZE = Text(
    "Shown at {size} pixels, to be quick.",
    "빠르게 보여 주기 위해 {size}픽셀로 표시합니다.",
    "为加快速度，以 {size} 像素显示。",
)
LABELS = {
    "epoch": Text("Epoch {epoch}", "{epoch} 에포크", "第 {epoch} 轮"),
    "earlier": Text("as of epoch {epoch}", "{epoch} 에포크 기준", "截至第 {epoch} 轮"),
    "nothing": Text("no picture yet", "아직 그림이 없습니다", "暂无图像"),
    "choose": Text("Choose a picture first.", "먼저 그림을 선택해 주세요.", "请先选择图片。"),
    "play": Text("Play", "재생", "播放"),
    "pause": Text("Pause", "일시정지", "暂停"),
    "speed": Text("Speed", "속도", "速度"),
    "slider": Text("Epoch of training", "학습 에포크", "训练轮次"),
    "progress": Text(
        "Making the pictures: {done} of {total}",
        "그림을 만드는 중: {total}장 중 {done}장",
        "正在生成图像：{done}/{total}",
    ),
    "ready": Text("Pictures ready: {total}", "그림 {total}장이 준비되었습니다", "{total} 张图像已就绪"),
    "canvas": Text(
        "Picture by {title} after epoch {epoch}", "{title}의 {epoch} 에포크 그림", "{title} 训练 {epoch} 轮后的图像"
    ),
    "scale": Text("logarithmic scale", "로그 눈금", "对数刻度"),
    "figures": Text(
        "Pictures of this epoch: arrow keys go through the epochs, space plays",
        "이 에포크의 그림: 화살표 키로 에포크를 옮기고, 스페이스 키로 재생합니다",
        "该轮次的图像：方向键切换轮次，空格键播放",
    ),
    "waiting": Text(
        "No epoch is finished yet: pictures appear here as soon as one is.",
        "아직 끝난 에포크가 없습니다. 끝나는 대로 그림이 나타납니다.",
        "尚无完成的轮次：一旦完成，图像就会出现在这里。",
    ),
    "jump": Text("Go to", "이동", "跳转"),
    "choice": Text("choose", "선택", "选择"),
    "best": Text("best epoch", "가장 좋은 에포크", "最佳轮次"),
    "best_of": Text("★ best of {title}: {epoch}", "★ {title} 최고: {epoch} 에포크", "★ {title} 最佳：第 {epoch} 轮"),
    "save": Text("Save as {format}", "{format}로 저장", "保存为 {format}"),
    "saving": Text("Making the movie", "동영상을 만드는 중", "正在生成动画"),
}
LOSSES = Text("{title}: losses while it learned", "{title}: 학습 중 손실", "{title}：训练过程中的损失")
LEARNING_RATE = Text("learning rate", "학습률", "学习率")

LOSS_NAMES = {
    "gan": Text("Adversarial loss", "적대적 손실", "对抗损失"),
    "discriminator": Text("Discriminator loss", "판별자 손실", "判别器损失"),
    "cycle": Text("Cycle consistency loss", "순환 일관성 손실", "循环一致性损失"),
    "identity": Text("Identity loss", "항등 손실", "恒等损失"),
    "l1": Text("L1 loss", "L1 손실", "L1 损失"),
    "features": Text("Feature matching loss", "특징 매칭 손실", "特征匹配损失"),
    "classes": Text("Classification loss", "분류 손실", "分类损失"),
    "edges": Text("Edge loss", "윤곽 손실", "边缘损失"),
    "penalty": Text("Gradient penalty", "그래디언트 페널티", "梯度惩罚"),
}
"""Keys of a run's history without the domain."""
OF_DOMAIN = Text("{loss}: {domain}", "{domain} 쪽: {loss}", "{domain}一侧：{loss}")
